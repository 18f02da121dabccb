"""Drawing in metres, anti-aliased, so that every painter states sizes as they are in the world."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from azaion_demo.scenes.geometry import Points

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Colour = tuple[float, ...]

_FRACTION_BITS = 4


def shaded(colour: Colour, factor: float) -> Colour:
    """The colour, darker (factor < 1) or lighter (> 1)."""
    return tuple(min(255.0, channel * factor) for channel in colour)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """``share`` of the second colour in the first."""
    return tuple(a + (b - a) * share for a, b in zip(first, second, strict=True))


@dataclass(frozen=True)
class Pen:
    """Draws on a canvas of ``px_per_m`` whose top-left corner lies at ``origin`` (metres)."""

    canvas: Pixels
    px_per_m: float
    origin: Points = field(default_factory=lambda: np.zeros(2))

    def _fixed(self, points: Points) -> NDArray[np.int32]:
        # OpenCV's integers are pixel centres; ours are edges, hence the half pixel.
        unit = 1 << _FRACTION_BITS
        return np.rint((points - self.origin) * (self.px_per_m * unit) - unit / 2).astype(np.int32)

    def polygon(self, points: Points, colour: Colour) -> None:
        cv2.fillPoly(self.canvas, [self._fixed(points)], colour, cv2.LINE_AA, _FRACTION_BITS)

    def line(self, points: Points, colour: Colour, width_m: float, *, closed: bool = False) -> None:
        width = max(1, round(width_m * self.px_per_m))
        cv2.polylines(self.canvas, [self._fixed(points)], closed, colour, width, cv2.LINE_AA, _FRACTION_BITS)

    def disc(self, centre: Points, radius_m: float, colour: Colour) -> None:
        radius = round(radius_m * self.px_per_m * (1 << _FRACTION_BITS))
        x, y = self._fixed(centre).tolist()
        cv2.circle(self.canvas, (x, y), radius, colour, -1, cv2.LINE_AA, _FRACTION_BITS)
