"""How the detections in a drawn clip compare with what is really there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from azaion_demo.report.evidence import InferredFrame
from azaion_vision.boxes import match
from azaion_vision.detections import Detections

MIN_IOU = 0.5


@dataclass(frozen=True, slots=True)
class ClipScore:
    """Objects over all inferred frames. Classes are not compared: it is about finding."""

    there: int
    matched: int
    extra: int

    @property
    def share(self) -> float:
        return self.matched / self.there if self.there else 0.0


def score(frames: Sequence[InferredFrame], truth: Sequence[Sequence[Sequence[float]]]) -> ClipScore | None:
    """Detections matched one to one with the truth at IoU 0.5 and better; None where there is no truth."""
    if not truth:
        return None
    there = matched = found = 0
    for frame in frames:
        real = truth[frame.frame] if frame.frame < len(truth) else []
        pairs = len(
            match(
                _boxes([box[:4] for box in real]), _boxes([each.box for each in frame.detections]), MIN_IOU
            ).pairs
        )
        there, matched, found = there + len(real), matched + pairs, found + len(frame.detections)
    return ClipScore(there, matched, found - matched)


def _boxes(corners: Sequence[Sequence[float]]) -> Detections:
    number = len(corners)
    boxes = np.array(corners, np.float32).reshape(number, 4)
    return Detections(boxes, np.ones(number, np.float32), np.zeros(number, np.int64))
