"""Parity: what counts as the same, what does not, and that it is never vacuous."""

from __future__ import annotations

import numpy as np
import pytest

from azaion_common.core.errors import PermanentError
from azaion_exporter.parity import BEST_BOXES, compare, parity_threshold
from azaion_vision.detections import Detections

THRESHOLD = 0.25


def boxes(*scores: float, shift: float = 0.0, class_id: int = 0) -> Detections:
    x = np.arange(len(scores)) * 200.0 + shift
    corners = np.column_stack((x, x, x + 100, x + 100)).astype(np.float32).reshape(-1, 4)
    return Detections(corners, np.array(scores, np.float32), np.full(len(scores), class_id, np.int64))


def test_the_same_boxes_pass_with_honest_figures() -> None:
    """Equal sides match in every box above the threshold, and the report counts exactly those."""
    report = compare([boxes(0.9, 0.3, 0.1)], [boxes(0.9, 0.3, 0.1)], THRESHOLD)

    assert report.passed
    assert (report.pictures, report.expected, report.matched, report.unexpected) == (1, 2, 2, 0)
    assert (report.min_iou, report.mean_iou, report.max_score_difference) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("candidate", "matched", "unexpected"),
    [
        (boxes(0.9), 1, 0),  # one missing
        (boxes(0.9, 0.8, 0.7), 2, 1),  # one too many
        (boxes(0.9, 0.798), 1, 0),  # another score
        (boxes(0.9, 0.8, shift=1.0), 0, 0),  # another place: IoU 0.96
        (boxes(0.9, 0.8, shift=90.0), 0, 2),  # quite another place
        (boxes(0.9, 0.8, class_id=1), 0, 2),  # another class
        (Detections.empty(), 0, 0),
    ],
)
def test_a_difference_fails(candidate: Detections, matched: int, unexpected: int) -> None:
    """A box missing, too many, moved, rescored or of another class is a difference, counted as what it is."""
    report = compare([boxes(0.9, 0.8)], [candidate], THRESHOLD)

    assert not report.passed
    assert (report.expected, report.matched, report.unexpected) == (2, matched, unexpected)


def test_the_report_says_how_far_apart_a_pair_lies() -> None:
    """A moved and rescored box still has its figures in the report."""
    report = compare([boxes(0.9)], [boxes(0.8, shift=10.0)], THRESHOLD)

    assert report.min_iou == pytest.approx(0.81 / 1.19)
    assert report.max_score_difference == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("left", "right"), [(0.2500001, 0.2499999), (0.2499999, 0.2500001), (0.2505, 0.0), (0.0, 0.2505)]
)
def test_a_box_at_the_threshold_may_fall_on_either_side(left: float, right: float) -> None:
    """Rounding at the threshold is not a difference, whichever side keeps the box."""
    report = compare([boxes(0.9, left)], [boxes(0.9, right)], THRESHOLD)

    assert report.passed
    assert report.expected == 1


def test_the_band_at_the_threshold_excuses_no_wrong_score() -> None:
    """A source box at the threshold does not excuse a strong box of the export in its place."""
    report = compare([boxes(0.9, 0.2505)], [boxes(0.9, 0.7)], THRESHOLD)

    assert not report.passed
    assert (report.expected, report.matched) == (2, 1)


def test_pictures_are_compared_one_by_one() -> None:
    """Boxes of one picture do not stand in for those of another."""
    report = compare([boxes(0.9), Detections.empty()], [Detections.empty(), boxes(0.9)], THRESHOLD)

    assert (report.expected, report.matched, report.unexpected) == (1, 0, 1)


def test_the_threshold_of_daily_use_is_taken_when_there_are_boxes() -> None:
    """One box clearly above it is enough."""
    assert parity_threshold([Detections.empty(), boxes(0.3, 0.1)], 0.25, 0.001) == 0.25


def test_a_weak_model_is_compared_at_its_own_level() -> None:
    """Without boxes above the threshold it goes down so far that the best boxes are compared, all of them expected."""
    found = [boxes(*np.linspace(0.02, 0.2, 50))]

    threshold = parity_threshold(found, 0.25, 0.001)

    report = compare(found, found, threshold)
    assert threshold < 0.25
    assert report.passed
    assert report.expected == BEST_BOXES


@pytest.mark.parametrize("found", [[], [Detections.empty()], [boxes(0.002)]])
def test_a_comparison_of_nothing_is_refused(found: list[Detections]) -> None:
    """A model that finds nothing, even at the floor, proves nothing about its export."""
    with pytest.raises(PermanentError, match="parity_vacuous"):
        parity_threshold(found, 0.25, 0.001)


def test_a_report_without_expected_boxes_never_passes() -> None:
    """Nothing against nothing is no success."""
    assert not compare([Detections.empty()], [Detections.empty()], THRESHOLD).passed
