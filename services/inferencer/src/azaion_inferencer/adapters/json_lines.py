"""Detections as JSON lines, one line per inferred frame."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Self

from azaion_common.storage.durable import storage_errors
from azaion_inferencer.adapters.unfinished import UnfinishedFile
from azaion_inferencer.ports import Shown

_DECIMALS = {"time_s": 6, "confidence": 5, "box": 2}


class JsonLines:
    """A file that gets its name when the run has ended well.

    A line is ``{"frame", "time_s", "model_id", "detections": [{"class", "class_id", "confidence", "box"}]}``, with the
    file's name as ``image`` where each picture is a file; boxes are ``[x1, y1, x2, y2]`` in pixels.
    """

    every_frame = False

    def __init__(self, path: Path) -> None:
        self._output = UnfinishedFile(path)
        self._file = self._output.temporary.open("w", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def write(self, shown: Shown) -> None:
        with storage_errors(self._output.path):
            self._file.write(json.dumps(as_record(shown), ensure_ascii=False) + "\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            with storage_errors(self._output.path):
                self._file.close()
        except BaseException as failed:
            self._output.leave(type(failed))
            raise
        self._output.leave(kind)


def as_record(shown: Shown) -> dict[str, object]:
    """One line as a dictionary."""
    frame, found = shown.frame, shown.detections
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True)
    return {
        "frame": frame.number,
        "time_s": round(frame.time_s, _DECIMALS["time_s"]),
        **({"image": frame.name} if frame.name else {}),
        "model_id": shown.model_id,
        "detections": [
            {
                "class": shown.names.get(class_id, str(class_id)),
                "class_id": class_id,
                "confidence": round(score, _DECIMALS["confidence"]),
                "box": [round(edge, _DECIMALS["box"]) for edge in box],
            }
            for box, score, class_id in rows
        ],
    }
