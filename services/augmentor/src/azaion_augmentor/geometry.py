"""The one warp of a variant, and where its boxes go. Pure.

A matrix here is 3x3, in pixels, with corners at whole numbers: pixel (0, 0) covers 0 to 1, so that a box and the
pixels that it covers move by the same matrix. Boxes are float64 (n, 4) ``cx cy w h``, relative to the picture.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from azaion_augmentor.recipe import BoxRule
from azaion_augmentor.transforms import Canvas, Matrix, Picture

Boxes = NDArray[np.float64]

_CORNERS = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])


def flip(width: int) -> Matrix:
    """Left becomes right in a picture of ``width`` pixels."""
    return np.array([(-1.0, 0.0, width), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])


def warp(canvas: Canvas, matrix: Matrix) -> Picture:
    """The picture moved by ``matrix``, of the same size, black where nothing came from."""
    return cv2.cvtColor(_warp(canvas, matrix), cv2.COLOR_RGBA2RGB).astype(np.uint8, copy=False)


def _warp(canvas: Canvas, matrix: Matrix) -> NDArray[Any]:
    height, width = canvas.shape[:2]
    if np.array_equal(matrix, np.eye(3)):
        return canvas
    if np.array_equal(matrix, flip(width)):
        return cv2.flip(canvas, 1)
    centred = _shift(-0.5) @ matrix @ _shift(0.5)  # OpenCV's coordinates are the centres of pixels
    return cv2.warpAffine(canvas, centred[:2], (width, height))


def move(boxes: Boxes, matrix: Matrix, size: tuple[int, int]) -> Boxes:
    """The upright envelopes of ``boxes`` after ``matrix``, in a picture of ``size`` (height, width); not clipped."""
    if np.array_equal(matrix, np.eye(3)):
        return boxes
    scale = np.array([size[1], size[0]], np.float64)
    corners = (boxes[:, None, :2] + _CORNERS * boxes[:, None, 2:]) * scale
    moved = (corners @ matrix[:2, :2].T + matrix[:2, 2]) / scale
    return _centre_form(moved.min(axis=1), moved.max(axis=1))


def clip(boxes: Boxes, rule: BoxRule) -> tuple[Boxes, NDArray[np.intp]]:
    """``boxes`` clipped to the picture, and the indices of those that ``rule`` keeps: (k, 4) and (k,)."""
    half = boxes[:, 2:] / 2
    clipped = _centre_form(np.clip(boxes[:, :2] - half, 0, 1), np.clip(boxes[:, :2] + half, 0, 1))
    area = clipped[:, 2] * clipped[:, 3]
    whole = boxes[:, 2] * boxes[:, 3]
    kept = np.flatnonzero((area > 0) & (area >= rule.min_area) & (area >= rule.min_visibility * whole))
    return clipped[kept], kept


def _centre_form(low: NDArray[np.float64], high: NDArray[np.float64]) -> Boxes:
    return np.hstack(((low + high) / 2, high - low))


def _shift(by: float) -> Matrix:
    return np.array([(1.0, 0.0, by), (0.0, 1.0, by), (0.0, 0.0, 1.0)])
