"""How good detections are: average precision as COCO defines it, overall, per class and per condition.

The definition is that of ``pycocotools`` (``COCOeval`` with ``iouType="bbox"`` and area "all"), to which the tests
hold it: ten IoU thresholds 0.50 to 0.95, greedy matching by falling score, precision made monotone and read at 101
recall points. One parameter differs on purpose: up to 300 detections count per picture and class (COCO: 100), as
many as the detectors here may return. The matches are kept, so that models can be compared on resampled pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from azaion_common.contracts.events import ClassMetrics, Metrics
from azaion_common.core.errors import PermanentError

EVALUATOR = "azaion-evaluation 1 (COCO, 101 points, IoU 0.50:0.05:0.95, 300 detections)"
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_POINTS = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = 300
_CELLS_AT_ONCE = 4_000_000

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Truth:
    """Labelled objects of one picture: ``boxes`` (n, 4) x1 y1 x2 y2 in pixels, ``classes`` (n,), ``conditions`` n."""

    boxes: Floats
    classes: Ints
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Detections in one picture: ``boxes`` (m, 4) x1 y1 x2 y2 in pixels, ``scores`` (m,), ``classes`` (m,)."""

    boxes: Floats
    scores: Floats
    classes: Ints


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture: what is there and what was found."""

    truth: Truth
    found: Found


@dataclass(frozen=True, slots=True)
class Matches:
    """All detections of one class, by falling score.

    ``hits`` and ``ignored`` are (10, d): at each IoU threshold, whether the detection matched an object, and whether
    it counts neither for nor against. ``picture`` (d,) says where it was found; ``objects`` (pictures,) counts what
    was to be found; ``scores`` (d,) are those of the detections.
    """

    hits: Bools
    ignored: Bools
    picture: Ints
    objects: Ints
    scores: Floats = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of one model, and the matches that they come from, by class name."""

    metrics: Metrics
    matches: Mapping[str, Matches]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """By class name, where they were asked for."""


def evaluate(samples: Sequence[Sample], class_names: Sequence[str]) -> Evaluation:
    """Measure detections. Classes without an object have no figure and do not count.

    A condition is measured on the pictures that show it; objects of other conditions are ignored there, found or not.

    Raises:
        PermanentError: ``test_side_has_no_objects``.
    """
    matches = {name: match_class(samples, number) for number, name in enumerate(class_names)}
    per_class = {name: _figures(each) for name, each in matches.items() if each.objects.any()}
    if not per_class:
        raise PermanentError(
            "test_side_has_no_objects", f"{len(samples)} test pictures show no labelled object"
        )
    metrics = Metrics(
        map50=_mean([each.map50 for each in per_class.values()]),
        map50_95=_mean([each.map50_95 for each in per_class.values()]),
        per_class=per_class,
        per_condition=_per_condition(samples, len(class_names)),
        pictures=len(samples),
        evaluator=EVALUATOR,
    )
    return Evaluation(metrics, matches)


def match_class(samples: Sequence[Sample], class_id: int, condition: str | None = None) -> Matches:
    """The matches of one class; with ``condition``, objects of others are ignored."""
    parts = [_match_picture(sample, class_id, condition) for sample in samples]
    scores = np.concatenate([part[0] for part in parts]) if parts else np.zeros(0)
    order = np.argsort(-scores, kind="stable")
    empty: Bools = np.zeros((len(IOU_THRESHOLDS), 0), dtype=bool)
    return Matches(
        hits=np.concatenate([empty, *(part[1] for part in parts)], axis=1)[:, order],
        ignored=np.concatenate([empty, *(part[2] for part in parts)], axis=1)[:, order],
        picture=np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])[order],
        objects=np.array([part[3] for part in parts], dtype=np.int64),
        scores=scores[order],
    )


def average_precision(matches: Matches, weights: Floats) -> Floats:
    """AP at the ten thresholds for each row of ``weights`` (rows, pictures): how often each picture counts.

    Returns (rows, 10); NaN where a row has no object.
    """
    most_hits = int(matches.hits.any(axis=0).sum())
    step = max(1, _CELLS_AT_ONCE // max(most_hits, 1))
    parts = [_average_precision(matches, weights[at : at + step]) for at in range(0, len(weights), step)]
    return np.concatenate(parts)


def _average_precision(matches: Matches, weights: Floats) -> Floats:
    objects = weights @ matches.objects
    result = np.full((len(weights), len(IOU_THRESHOLDS)), np.nan)
    rows = objects > 0
    if not rows.any():
        return result
    for number in range(len(IOU_THRESHOLDS)):
        counting = ~matches.ignored[number]
        hits = np.flatnonzero(matches.hits[number] & counting)
        found = np.cumsum(weights[rows][:, matches.picture[hits]], axis=1)
        seen = _seen(weights[rows], matches.picture, counting, hits)
        result[rows, number] = _area(found, seen, objects[rows])
    return result


def _seen(weights: Floats, picture: Ints, counting: Bools, hits: Ints) -> Floats:
    """How many counting detections there are up to each hit, (rows, hits).

    By far most detections are no hits, so they are first tallied by picture and next hit; weights come in once, as
    a matrix product.
    """
    seen = np.zeros((len(weights), len(hits)))
    pictures = weights.shape[1]
    next_hit = np.searchsorted(hits, np.arange(len(picture)))
    step = max(1, _CELLS_AT_ONCE // max(pictures, 1))
    for at in range(0, len(hits), step):
        width = min(step, len(hits) - at)
        inside = counting & (next_hit >= at) & (next_hit < at + width)
        cells = picture[inside] * width + next_hit[inside] - at
        tally = np.bincount(cells, minlength=pictures * width).reshape(pictures, width)
        before = seen[:, at - 1 : at] if at else np.zeros((len(weights), 1))
        seen[:, at : at + width] = before + weights @ np.cumsum(tally, axis=1, dtype=np.float64)
    return seen


def _area(hits: Floats, seen: Floats, objects: Floats) -> Floats:
    """Mean over the recall points of the best precision at that recall or above.

    ``hits`` and ``seen`` (rows, hits) count hits and detections up to each hit, ``objects`` is (rows,). Only hits
    raise recall, so each of them answers for the recall points between the last hit and itself.
    """
    precision = hits / np.maximum(seen, np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    reached = np.searchsorted(RECALL_POINTS, hits / objects[:, None], side="right")
    answered = np.diff(reached, axis=1, prepend=0)
    means: Floats = (envelope * answered).sum(axis=1) / len(RECALL_POINTS)
    return means


def _match_picture(sample: Sample, class_id: int, condition: str | None) -> tuple[Floats, Bools, Bools, int]:
    """Scores (d,), hits (10, d), ignored (10, d) and the number of objects that count."""
    mine = sample.truth.classes == class_id
    others = np.array([condition not in (None, each) for each in sample.truth.conditions], dtype=bool)
    ignore = others[mine] if len(others) else np.zeros(0, dtype=bool)
    order = np.argsort(ignore, kind="stable")
    found = _of_class(sample.found, class_id)
    overlaps = box_iou(found.boxes, sample.truth.boxes[mine][order])
    hits, ignored = _match_greedily(overlaps, ignore[order])
    return found.scores, hits, ignored, int((~ignore).sum())


def _of_class(found: Found, class_id: int) -> Found:
    chosen = np.flatnonzero(found.classes == class_id)
    best = chosen[np.argsort(-found.scores[chosen], kind="stable")][:MAX_DETECTIONS]
    return Found(found.boxes[best], found.scores[best], found.classes[best])


def _match_greedily(overlaps: Floats, ignore: Bools) -> tuple[Bools, Bools]:
    """Each detection takes the object that it overlaps most of those still free; ``overlaps`` is (d, objects)."""
    count, objects = overlaps.shape
    hits = np.zeros((len(IOU_THRESHOLDS), count), dtype=bool)
    ignored = np.zeros_like(hits)
    if not objects:
        return hits, ignored
    thresholds = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)[:, None]
    free = np.ones((len(IOU_THRESHOLDS), objects), dtype=bool)
    for index in np.flatnonzero(overlaps.max(axis=1) >= IOU_THRESHOLDS[0]):
        fits = free & (overlaps[index] >= thresholds)
        # Objects that count come first, and an ignored one is taken only where none of them fits.
        counting = fits & ~ignore
        fits = np.where(counting.any(axis=1, keepdims=True), counting, fits)
        candidates = np.where(fits, overlaps[index], -1.0)
        taken = objects - 1 - np.argmax(candidates[:, ::-1], axis=1)  # of equals the last, as COCO does
        rows = np.flatnonzero(fits.any(axis=1))
        hits[rows, index] = True
        ignored[rows, index] = ignore[taken[rows]]
        free[rows, taken[rows]] = False
    return hits, ignored


def box_iou(some: Floats, others: Floats) -> Floats:
    """Intersection over union of every pair, (n, 4) and (m, 4) x1 y1 x2 y2 to (n, m)."""
    top_left = np.maximum(some[:, None, :2], others[None, :, :2])
    bottom_right = np.minimum(some[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.clip(bottom_right - top_left, 0, None), axis=2)
    area_some, area_others = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (some, others))
    union = area_some[:, None] + area_others[None, :] - shared
    overlaps: Floats = shared / np.maximum(union, np.spacing(1))
    return overlaps


def _figures(matches: Matches) -> ClassMetrics:
    precisions = average_precision(matches, np.ones((1, len(matches.objects))))[0]
    return ClassMetrics(
        map50=float(precisions[0]), map50_95=float(precisions.mean()), objects=int(matches.objects.sum())
    )


def _per_condition(samples: Sequence[Sample], classes: int) -> dict[str, ClassMetrics]:
    conditions = sorted({condition for sample in samples for condition in sample.truth.conditions})
    return {condition: _condition(samples, classes, condition) for condition in conditions}


def _condition(samples: Sequence[Sample], classes: int, condition: str) -> ClassMetrics:
    shown = [sample for sample in samples if condition in sample.truth.conditions]
    matches = [match_class(shown, number, condition) for number in range(classes)]
    counting = [_figures(each) for each in matches if each.objects.any()]
    return ClassMetrics(
        map50=_mean([each.map50 for each in counting]),
        map50_95=_mean([each.map50_95 for each in counting]),
        objects=sum(each.objects for each in counting),
    )


def _mean(values: Sequence[float]) -> float:
    return min(1.0, max(0.0, float(np.mean(values)))) if values else 0.0
