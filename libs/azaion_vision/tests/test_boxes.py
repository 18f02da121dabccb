"""Boxes: overlap, suppression and matching against slow, obvious versions of themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from azaion_vision.boxes import iou_matrix, match, nms
from azaion_vision.detections import Detections

_corner = st.integers(0, 40)
_box = st.tuples(_corner, _corner, st.integers(0, 20), st.integers(0, 20)).map(
    lambda t: (t[0], t[1], t[0] + t[2], t[1] + t[3])
)
_detection = st.tuples(_box, st.integers(1, 20).map(lambda score: score / 20), st.integers(0, 2))


def detections(rows: list[tuple[tuple[float, ...], float, int]]) -> Detections:
    table = np.array([(*box, score, class_id) for box, score, class_id in rows], np.float32).reshape(-1, 6)
    return Detections.from_rows(table)


def slow_iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = float(width * height) if width > 0 and height > 0 else 0.0
    whole = float((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])) - shared
    return shared / whole if whole > 0 else 0.0


def slow_nms(found: Detections, threshold: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(found)), key=lambda i: -found.scores[i]):
        rivals = [k for k in kept if found.class_ids[k] == found.class_ids[index]]
        if all(np.float32(slow_iou(found.boxes[k], found.boxes[index])) <= threshold for k in rivals):
            kept.append(index)
    return kept


def test_nothing_overlaps_nothing() -> None:
    """Empty arrays go through every function and come out empty, with their shapes."""
    none = Detections.empty()

    assert iou_matrix(none.boxes, none.boxes).shape == (0, 0)
    assert nms(none.boxes, none.scores, none.class_ids, 0.5).shape == (0,)
    assert match(none, none, 0.5).pairs.shape == (0, 2)


def test_one_side_empty_leaves_the_other_unmatched() -> None:
    """Against an empty candidate every reference box is reported missing, and the other way round."""
    one = detections([((0, 0, 10, 10), 0.9, 0)])

    assert match(one, Detections.empty(), 0.5).unmatched_reference.tolist() == [0]
    assert match(Detections.empty(), one, 0.5).unmatched_candidate.tolist() == [0]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0, 0, 10, 10), 1.0),
        ((10, 0, 20, 10), 0.0),
        ((5, 0, 15, 10), 1 / 3),
        ((2, 2, 8, 8), 0.36),
        ((3, 3, 3, 3), 0.0),
    ],
    ids=["equal", "touching", "half", "inside", "no area"],
)
def test_known_overlaps(other: tuple[int, ...], expected: float) -> None:
    """The overlap of a 10 x 10 box with another is the ratio of the areas."""
    square = np.array([[0, 0, 10, 10]], np.float32)

    assert iou_matrix(square, np.array([other], np.float32))[0, 0] == pytest.approx(expected)


@given(st.lists(_detection, max_size=12), st.lists(_detection, max_size=12))
@settings(max_examples=60, deadline=None)
def test_overlap_equals_the_pairwise_loop(
    left: list[tuple[tuple[float, ...], float, int]], right: list[tuple[tuple[float, ...], float, int]]
) -> None:
    """The vectorised overlap is the one computed box by box."""
    a, b = detections(left), detections(right)

    matrix = iou_matrix(a.boxes, b.boxes)

    assert matrix.dtype == np.float32
    for i, j in np.ndindex(*matrix.shape):
        assert matrix[i, j] == pytest.approx(slow_iou(a.boxes[i], b.boxes[j]), abs=1e-6)


@given(st.lists(_detection, max_size=25), st.sampled_from([0.0, 0.3, 0.45, 0.7, 1.0]))
@settings(max_examples=150, deadline=None)
def test_suppression_equals_the_brute_force(
    rows: list[tuple[tuple[float, ...], float, int]], threshold: float
) -> None:
    """Suppression keeps exactly the boxes, in exactly the order, that the quadratic loop keeps."""
    found = detections(rows)

    kept = nms(found.boxes, found.scores, found.class_ids, threshold)

    assert kept.tolist() == slow_nms(found, threshold)


def test_classes_do_not_suppress_each_other() -> None:
    """Two identical boxes of different classes both stay."""
    found = detections([((0, 0, 10, 10), 0.9, 0), ((0, 0, 10, 10), 0.8, 1), ((0, 0, 10, 10), 0.7, 0)])

    assert nms(found.boxes, found.scores, found.class_ids, 0.5).tolist() == [0, 1]


def test_a_match_reports_overlap_and_score_difference() -> None:
    """A shifted box is paired with its original, and the report says by how much box and score moved."""
    reference = detections([((0, 0, 10, 10), 0.9, 0), ((50, 50, 60, 60), 0.8, 1)])
    candidate = detections([((50, 50, 60, 60), 0.7, 1), ((0, 0, 10, 5), 0.95, 0), ((0, 0, 10, 10), 0.5, 1)])

    matches = match(reference, candidate, 0.5)

    assert matches.pairs.tolist() == [[1, 0], [0, 1]]
    assert matches.ious.tolist() == pytest.approx([1.0, 0.5])
    assert matches.score_differences.tolist() == pytest.approx([-0.1, 0.05], abs=1e-6)
    assert matches.unmatched_reference.tolist() == []
    assert matches.unmatched_candidate.tolist() == [2]


def test_each_box_is_matched_once_and_the_best_overlap_first() -> None:
    """Of two candidates on one reference box the closer one is the pair; the other is left over."""
    reference = detections([((0, 0, 10, 10), 0.9, 0)])
    candidate = detections([((0, 0, 10, 8), 0.9, 0), ((0, 0, 10, 9), 0.4, 0)])

    matches = match(reference, candidate, 0.5)

    assert matches.pairs.tolist() == [[0, 1]]
    assert matches.unmatched_candidate.tolist() == [0]


def test_arrays_that_do_not_fit_are_refused() -> None:
    """Detections with more scores than boxes cannot be made."""
    with pytest.raises(ValueError, match="do not fit"):
        Detections(np.zeros((1, 4), np.float32), np.zeros(2, np.float32), np.zeros(2, np.int64))
