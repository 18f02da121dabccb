"""A camera that looks straight down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from azaion_demo.scenes.geometry import Points, rotated


@dataclass(frozen=True, eq=False)
class Camera:
    """Where it hangs (metres), how it is turned, how large a metre appears, and its picture's (height, width)."""

    centre: Points
    heading: float
    px_per_m: float
    size: tuple[int, int]

    def to_picture(self, points: Points) -> Points:
        """World metres (N, 2) to picture coordinates in pixels, where (0, 0) is the corner of the first pixel."""
        height, width = self.size
        return rotated(points - self.centre, -self.heading) * self.px_per_m + [width / 2, height / 2]

    def matrix(self, corner: Points, heading: float, px_per_m: float) -> Points:
        """The 2x3 affine that takes a raster's pixel centres to the picture's pixel centres.

        A raster is given by where its corner lies in the world, how it is turned, and its ``px_per_m``.
        """
        corners = np.array([[0.5, 0.5], [1.5, 0.5], [0.5, 1.5]]) / px_per_m
        placed = self.to_picture(rotated(corners, heading) + corner) - 0.5
        return np.column_stack([placed[1] - placed[0], placed[2] - placed[0], placed[0]])
