"""Plane geometry in metres: lines, ribbons, rectangles. x goes right, y goes down, headings turn clockwise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def direction(angle_rad: float) -> Points:
    """The unit vector of a heading."""
    return np.array([np.cos(angle_rad), np.sin(angle_rad)])


def rotated(points: Points, angle_rad: float) -> Points:
    """Points (N, 2) turned about the origin."""
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    turned: Points = points @ np.array([[cos, sin], [-sin, cos]])
    return turned


def rectangle(centre: Points, length: float, width: float, angle_rad: float) -> Points:
    """The four corners of a rectangle whose length lies along ``angle_rad``."""
    corners = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]]) * [length / 2, width / 2]
    return rotated(corners, angle_rad) + centre


def rounded_rectangle(length: float, width: float, front: float, rear: float) -> Points:
    """A rectangle about the origin, front towards +x, with corner radii ``front`` and ``rear``; (24, 2)."""
    turn = np.linspace(0, np.pi / 2, 6)
    quarters = []
    for start, x_side, y_side, radius in (
        (0, 1, 1, front),
        (1, -1, 1, rear),
        (2, -1, -1, rear),
        (3, 1, -1, front),
    ):
        angles = turn + start * np.pi / 2
        centre = [x_side * (length / 2 - radius), y_side * (width / 2 - radius)]
        quarters.append(np.column_stack([np.cos(angles), np.sin(angles)]) * radius + centre)
    return np.concatenate(quarters)


def polygon_area(points: Points) -> float:
    """Area by the shoelace formula."""
    x, y = points.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def clipped(points: Points, width: float, height: float) -> Points:
    """The part of a polygon within (0, 0) to (width, height), by Sutherland-Hodgman; possibly empty, (N, 2)."""
    for axis, sign, limit in ((0, 1, 0.0), (0, -1, -width), (1, 1, 0.0), (1, -1, -height)):
        inside = points[:, axis] * sign - limit
        following, inside_next = np.roll(points, -1, axis=0), np.roll(inside, -1)
        crossing = (inside >= 0) != (inside_next >= 0)
        share = inside[crossing] / (inside[crossing] - inside_next[crossing])
        cuts = points[crossing] + share[:, None] * (following - points)[crossing]
        cuts[:, axis] = limit * sign  # exactly: rounding must not leave the window
        kept = np.flatnonzero(inside >= 0)
        order = np.argsort(np.concatenate([kept, np.flatnonzero(crossing) + 0.5]))
        points = np.concatenate([points[kept], cuts])[order]
    return points


@dataclass(frozen=True, eq=False)
class Line:
    """A directed polyline (N, 2) with positions measured along it."""

    points: Points

    @cached_property
    def stations(self) -> Points:
        """Distance from the start at each point; (N,)."""
        steps = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def length(self) -> float:
        return float(self.stations[-1])

    @cached_property
    def headings(self) -> Points:
        """Heading at each point, without jumps of a full turn; (N,)."""
        slopes = np.gradient(self.points, axis=0)
        return np.unwrap(np.arctan2(slopes[:, 1], slopes[:, 0]))

    def poses(self, distances: Points) -> Points:
        """x, y and heading at each of ``distances``; (N, 3)."""
        columns = (self.points[:, 0], self.points[:, 1], self.headings)
        return np.column_stack([np.interp(distances, self.stations, column) for column in columns])

    def shifted(self, right: float) -> Line:
        """The parallel line ``right`` metres to the right."""
        normals = np.column_stack([-np.sin(self.headings), np.cos(self.headings)])
        return Line(self.points + normals * right)

    def reversed(self) -> Line:
        return Line(self.points[::-1])

    def part(self, start: float, end: float) -> Line:
        """The stretch between two distances."""
        return Line(self.poses(np.linspace(start, end, max(2, int(end - start) + 2)))[:, :2])

    def ribbon(self, left: float, right: float) -> Points:
        """The outline of the strip between two offsets to the right (negative: left); (2N, 2)."""
        return np.concatenate([self.shifted(left).points, self.shifted(right).points[::-1]])
