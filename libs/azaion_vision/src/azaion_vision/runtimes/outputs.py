"""What a detector's output tensor means, and the metadata that travels inside its file. Pure array functions."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from azaion_common.core.errors import PermanentError
from azaion_common.core.printable import printable
from azaion_vision.boxes import nms

_ROW = 6
_BOX = 4
_CANDIDATES = 30_000
"""Suppression is quadratic in the worst case; nobody looks at more boxes of one picture than this."""


@dataclass(frozen=True)
class Thresholds:
    """Which detections count: score at least ``confidence``; ``iou`` and ``max_detections`` are for suppression.

    ``by_class`` has the score for single classes, by id, in place of ``confidence``. A graph that suppresses by itself
    has its own values built in; then only these two can still take boxes away.
    """

    confidence: float = 0.25
    iou: float = 0.7
    max_detections: int = 300
    by_class: Mapping[int, float] = field(default_factory=dict)

    def of(self, class_ids: NDArray[np.float32] | NDArray[np.intp]) -> NDArray[np.float32] | np.float32:
        """The score that each detection has to reach, by its class id."""
        if not self.by_class:
            return np.float32(self.confidence)
        table = np.full(max(self.by_class) + 2, self.confidence, np.float32)
        table[list(self.by_class)] = list(self.by_class.values())
        known = np.clip(class_ids, -1, len(table) - 1).astype(np.intp)  # the last entry is for all others
        return table[known]


DEFAULT_THRESHOLDS = Thresholds()


@dataclass(frozen=True)
class Metadata:
    """The properties Ultralytics writes into an export: class names, input size (height, width), largest batch; and
    the score from which a class is worth showing, by id, which the exporter adds.
    """

    names: dict[int, str]
    input_size: tuple[int, int]
    batch_size: int
    thresholds: dict[int, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, properties: Mapping[str, str], input_shape: tuple[int | None, ...]) -> Metadata:
        """Read them; a dimension fixed in the graph's ``input_shape`` (b, 3, h, w) wins over what is written.

        Raises:
            PermanentError: ``model_unsupported`` when names or sizes are missing or make no sense.
        """
        try:
            names = _literal(properties["names"])
            sizes = _literal(properties.get("imgsz", "[0, 0]"))
            batch, _, height, width = input_shape
            parsed = cls(
                names={int(key): str(name) for key, name in _items(names)},
                input_size=(height or int(sizes[0]), width or int(sizes[1])),
                batch_size=batch or int(properties.get("batch", "1")),
                thresholds={
                    int(key): float(score)
                    for key, score in _literal(properties.get("thresholds", "{}")).items()
                },
            )
        except (
            KeyError,
            ValueError,
            TypeError,
            SyntaxError,
            IndexError,
            AttributeError,
            RecursionError,
        ) as error:
            raise PermanentError(
                "model_unsupported",
                f"the model does not say its class names and input size ({type(error).__name__}: {error})",
                hint="export it with `azaion export` or with Ultralytics, which write them into the file",
            ) from error
        if min(*parsed.input_size, parsed.batch_size, len(parsed.names)) < 1:
            raise PermanentError(
                "model_unsupported", f"the model has no usable input size or classes: {parsed}"
            )
        if not all(class_id >= 0 and 0 <= score <= 1 for class_id, score in parsed.thresholds.items()):
            raise PermanentError("model_unsupported", "the model's thresholds are no scores from 0 to 1")
        return parsed

    def filter(self, thresholds: Thresholds | None) -> Thresholds:
        """``thresholds``, or, where there are none, those that the file carries."""
        return Thresholds(by_class=self.thresholds) if thresholds is None else thresholds


def decode(
    output: NDArray[np.float32], class_count: int, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> list[NDArray[np.float32]]:
    """Turn a YOLO output tensor into (k, 6) rows of ``x1, y1, x2, y2, score, class id`` per picture, best first.

    Args:
        output: (b, n, 6) when suppression is in the graph (padded with zeros), or (b, 4 + classes, anchors) with
            ``cx, cy, w, h`` and one score per class.
        class_count: how many classes the model knows.
        thresholds: the filter.

    Raises:
        PermanentError: ``model_unsupported`` for any other shape.
    """
    if output.ndim == 3 and output.shape[2] == _ROW:  # noqa: PLR2004 - batch, boxes, row
        return [_filtered(rows, thresholds) for rows in output]
    if output.ndim == 3 and output.shape[1] == _BOX + class_count:  # noqa: PLR2004
        return [_suppressed(columns, thresholds) for columns in output]
    raise PermanentError("model_unsupported", f"a detector of {class_count} classes gives no {output.shape}")


def _filtered(rows: NDArray[np.float32], thresholds: Thresholds) -> NDArray[np.float32]:
    scores = rows[:, 4]
    kept = rows[(scores >= thresholds.of(rows[:, 5])) & (scores > 0)]
    return kept[np.argsort(-kept[:, 4], kind="stable")]


def _suppressed(columns: NDArray[np.float32], thresholds: Thresholds) -> NDArray[np.float32]:
    best = columns[_BOX:].max(axis=0)
    limits = thresholds.of(columns[_BOX:].argmax(axis=0)) if thresholds.by_class else thresholds.confidence
    candidates = np.flatnonzero(best >= limits)
    candidates = candidates[np.argsort(-best[candidates], kind="stable")][:_CANDIDATES]
    boxes = _corners(columns[:_BOX, candidates].T)
    scores, class_ids = best[candidates], columns[_BOX:, candidates].argmax(axis=0)
    kept = nms(boxes, scores, class_ids, thresholds.iou)[: thresholds.max_detections]
    return np.column_stack((boxes[kept], scores[kept], class_ids[kept])).astype(np.float32)


def _corners(centred: NDArray[np.float32]) -> NDArray[np.float32]:
    half = centred[:, 2:] / np.float32(2)
    return np.concatenate((centred[:, :2] - half, centred[:, :2] + half), axis=1)


def _literal(text: str) -> Any:
    return ast.literal_eval(text)


def _items(names: Mapping[int, str] | list[str]) -> list[tuple[int, str]]:
    """Ids and names; a file's words go to terminals, films and metrics, and steer none of them."""
    items = names.items() if isinstance(names, Mapping) else enumerate(names)
    return [(class_id, printable(str(name))) for class_id, name in items]
