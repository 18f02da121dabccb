"""Noise for surfaces: smooth random fields of a chosen grain size, cheap enough to cover a whole place."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from azaion_demo.scenes.pen import Floats

_COARSE_PX = 12.0  # from here on a quarter of the resolution shows no difference


def smooth_noise(rng: Generator, shape: tuple[int, int], cell_px: float) -> Floats:
    """A random field (H, W) of mean 0 and deviation below 1 whose blobs are about ``cell_px`` wide.

    The grid of random values is laid at an angle: along the picture's axes its cells would show as a weave.
    """
    if cell_px >= _COARSE_PX:
        quarter = smooth_noise(rng, (shape[0] // 4 + 1, shape[1] // 4 + 1), cell_px / 4)
        return np.asarray(cv2.resize(quarter, shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    cells = int(np.hypot(*shape) / cell_px) + 4
    grid = rng.standard_normal((cells, cells), dtype=np.float32)
    turn = rng.uniform(0.2, 1.3)
    cos, sin = np.cos(turn) / cell_px, np.sin(turn) / cell_px
    height, width = shape
    shift = cells / 2 - np.array([cos * width - sin * height, sin * width + cos * height]) / 2
    matrix = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(grid, matrix, (width, height), flags=flags), np.float32)


def layered_noise(rng: Generator, shape: tuple[int, int], cells_px: tuple[float, ...]) -> Floats:
    """Several grain sizes on top of each other, deviation near 1."""
    total = sum((smooth_noise(rng, shape, cell) for cell in cells_px), start=np.zeros(shape, np.float32))
    return np.asarray(total / np.float32(len(cells_px) ** 0.5), np.float32)
