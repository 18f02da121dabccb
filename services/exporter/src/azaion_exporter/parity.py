"""Does an export find what its source finds? Pure.

Both sides give their boxes down to a floor far below the threshold of the comparison. Then

* *expected* are the source's boxes that are clearly above the threshold (by the score tolerance or more),
* one of them is *matched* when the export has a box of its class with IoU >= 0.99 and a score within 0.001,
* *unexpected* are the export's boxes clearly above the threshold that the source does not have.

A box within the tolerance of the threshold may be missing or present on either side: 0.2500001 here and 0.2499999
there are the same answer. It still serves as a partner, so that neither side is blamed for it.

A comparison without boxes proves nothing. When the source finds none above the threshold, the threshold goes down to
the source's own best ones; when it finds none at all, the comparison is refused as vacuous.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from azaion_common.contracts.events import Parity
from azaion_common.core.errors import PermanentError
from azaion_vision.boxes import match
from azaion_vision.detections import Detections

MIN_IOU = 0.99
MAX_SCORE_DIFFERENCE = 0.001
CANDIDATE_IOU = 0.5
"""Boxes are paired from this overlap on, so that the report says how far apart a pair lies instead of only that."""
BEST_BOXES = 20


@dataclass(frozen=True)
class _Picture:
    """One picture's figures: how close each judged pair is, and what has no partner."""

    expected: int
    ious: list[float]
    score_differences: list[float]
    unexpected: int


def parity_threshold(reference: Sequence[Detections], wanted: float, floor: float) -> float:
    """The score from which boxes are compared: ``wanted``, or lower when the source finds nothing there.

    Args:
        reference: the source's detections per picture, all of score >= ``floor``.
        wanted: the threshold of daily use.
        floor: what both sides filter by.

    Raises:
        PermanentError: ``parity_vacuous`` when there is nothing to compare at any threshold.
    """
    every_score = np.concatenate([np.zeros(0, np.float32), *(found.scores for found in reference)])
    best = np.sort(every_score)[::-1][:BEST_BOXES]
    if len(best) and best[0] >= wanted + MAX_SCORE_DIFFERENCE:
        return wanted
    threshold = max(float(best.min(initial=wanted)) - 2 * MAX_SCORE_DIFFERENCE, floor + MAX_SCORE_DIFFERENCE)
    if len(best) and best[0] >= threshold + MAX_SCORE_DIFFERENCE:
        return threshold
    raise PermanentError(
        "parity_vacuous",
        f"the model finds nothing on {len(reference)} probe pictures, not even at a score of {threshold:g}:"
        " that its export finds nothing either would prove nothing",
        hint="train longer, or on more pictures",
    )


def compare(reference: Sequence[Detections], candidate: Sequence[Detections], threshold: float) -> Parity:
    """The report on pictures in the same order on both sides."""
    pictures = [_compare(*pair, threshold) for pair in zip(reference, candidate, strict=True)]
    expected = sum(picture.expected for picture in pictures)
    unexpected = sum(picture.unexpected for picture in pictures)
    ious = np.array([iou for picture in pictures for iou in picture.ious])
    differences = np.array([d for picture in pictures for d in picture.score_differences])
    matched = int(np.count_nonzero((ious >= MIN_IOU) & (differences <= MAX_SCORE_DIFFERENCE)))
    return Parity(
        pictures=len(pictures),
        expected=expected,
        matched=matched,
        unexpected=unexpected,
        min_iou=float(ious.min(initial=1.0)) if len(ious) else 0.0,
        mean_iou=float(ious.mean()) if len(ious) else 0.0,
        max_score_difference=float(differences.max(initial=0.0)),
        passed=expected > 0 and matched == expected and unexpected == 0,
    )


def _compare(reference: Detections, candidate: Detections, threshold: float) -> _Picture:
    low, high = threshold - MAX_SCORE_DIFFERENCE, threshold + MAX_SCORE_DIFFERENCE
    reference = reference.select(reference.scores >= low)
    candidate = candidate.select(candidate.scores >= low)
    matches = match(reference, candidate, CANDIDATE_IOU)
    expected = reference.scores >= high
    # A pair is judged when either side is clearly above: 0.2505 in the source does not excuse 0.9 in the export.
    judged = expected[matches.pairs[:, 0]] | (candidate.scores[matches.pairs[:, 1]] >= high)
    missing = int(np.count_nonzero(expected[matches.unmatched_reference]))
    return _Picture(
        expected=int(np.count_nonzero(judged)) + missing,
        ious=matches.ious[judged].tolist(),
        score_differences=np.abs(matches.score_differences[judged]).tolist(),
        unexpected=int(np.count_nonzero(candidate.scores[matches.unmatched_candidate] >= high)),
    )
