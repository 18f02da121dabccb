"""Box arithmetic: overlap, non-maximum suppression, and the comparison of two sets of detections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from azaion_vision.detections import Detections


def iou_matrix(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of every pair: (n, 4) and (m, 4) ``xyxy`` -> (n, m). Boxes without area overlap nothing."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(bottom_right - top_left, np.float32(0))
    intersection = sides[..., 0] * sides[..., 1]
    union = _areas(a)[:, None] + _areas(b)[None, :] - intersection
    overlap: NDArray[np.float32] = np.zeros_like(union)
    np.divide(intersection, union, out=overlap, where=union > 0)
    return overlap


def nms(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    class_ids: NDArray[np.int64],
    iou_threshold: float,
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression within each class.

    A box goes when a better one of its class overlaps it by more than ``iou_threshold``.

    Args:
        boxes: (n, 4) ``xyxy``.
        scores: (n,); equal scores keep their order.
        class_ids: (n,).
        iou_threshold: 0 to 1.

    Returns:
        The indices kept, best score first.
    """
    remaining = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(remaining):
        best, rest = remaining[0], remaining[1:]
        kept.append(int(best))
        same_class = class_ids[rest] == class_ids[best]
        overlap = iou_matrix(boxes[best : best + 1], boxes[rest])[0]
        remaining = rest[~(same_class & (overlap > iou_threshold))]
    return np.array(kept, np.int64)


@dataclass(frozen=True, eq=False)
class Matches:
    """Which detections of a candidate correspond to which of a reference.

    Attributes:
        pairs: int64 (m, 2), index in the reference and index in the candidate; each index at most once.
        ious: float32 (m,).
        score_differences: float32 (m,), candidate minus reference.
        unmatched_reference: int64, indices that the candidate misses.
        unmatched_candidate: int64, indices that the reference does not have.
    """

    pairs: NDArray[np.int64]
    ious: NDArray[np.float32]
    score_differences: NDArray[np.float32]
    unmatched_reference: NDArray[np.int64]
    unmatched_candidate: NDArray[np.int64]


def match(reference: Detections, candidate: Detections, iou_threshold: float) -> Matches:
    """Pair detections of the same class one to one, the best overlap first, down to ``iou_threshold`` (inclusive)."""
    overlap = iou_matrix(reference.boxes, candidate.boxes)
    same_class = reference.class_ids[:, None] == candidate.class_ids[None, :]
    pairs = _best_first(np.where(same_class, overlap, np.float32(-1)), iou_threshold)
    return Matches(
        pairs=pairs,
        ious=overlap[pairs[:, 0], pairs[:, 1]],
        score_differences=candidate.scores[pairs[:, 1]] - reference.scores[pairs[:, 0]],
        unmatched_reference=np.setdiff1d(np.arange(len(reference)), pairs[:, 0]),
        unmatched_candidate=np.setdiff1d(np.arange(len(candidate)), pairs[:, 1]),
    )


def _best_first(overlap: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    rows, columns = np.nonzero(overlap >= threshold)
    order = np.argsort(-overlap[rows, columns], kind="stable")
    free_rows, free_columns = (np.ones(size, bool) for size in overlap.shape)
    pairs: list[tuple[int, int]] = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if free_rows[row] and free_columns[column]:
            free_rows[row] = free_columns[column] = False
            pairs.append((row, column))
    return np.array(pairs, np.int64).reshape(-1, 2)


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], np.float32(0))
    areas: NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return areas
