"""Paints roofs: gabled ones with tiles, ridge and chimney, flat ones with parapet and machines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from azaion_demo.scenes.dice import pick, within
from azaion_demo.scenes.geometry import Points, direction, rectangle, rotated
from azaion_demo.scenes.layout import Roof
from azaion_demo.scenes.looks import Look
from azaion_demo.scenes.pen import Colour, Pen, mixed, shaded

_HIPPED_SHARE = 0.5


@dataclass(frozen=True)
class _RoofPen:
    """A pen in a roof's own frame: x along the ridge, y across it."""

    pen: Pen
    roof: Roof

    def area(self, x0: float, x1: float, y0: float, y1: float, colour: Colour) -> None:
        self.pen.polygon(self._placed(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])), colour)

    def shape(self, points: list[tuple[float, float]], colour: Colour) -> None:
        self.pen.polygon(self._placed(np.array(points)), colour)

    def stroke(
        self, start: tuple[float, float], end: tuple[float, float], colour: Colour, width_m: float
    ) -> None:
        self.pen.line(self._placed(np.array([start, end])), colour, width_m)

    def _placed(self, points: Points) -> Points:
        return rotated(points, self.roof.heading) + self.roof.centre


def paint_roofs(pen: Pen, roofs: tuple[Roof, ...], look: Look, sun_angle: float) -> None:
    """Paint every roof; the side that faces the sun is the lighter one."""
    for roof in roofs:
        colour = pick(look.roofs, roof.tint)
        colour = shaded(colour, 0.9 + 0.25 * (roof.tint * 7 % 1))
        if roof.gabled:
            _paint_gabled(_RoofPen(pen, roof), colour, look, sun_angle)
        else:
            _paint_flat(_RoofPen(pen, roof), colour, look, sun_angle)


def _paint_gabled(brush: _RoofPen, colour: Colour, look: Look, sun_angle: float) -> None:
    roof = brush.roof
    half_length, half_width = roof.length / 2, roof.width / 2
    towards_sun = -direction(sun_angle)
    facing = float(direction(roof.heading + np.pi / 2) @ towards_sun)
    contrast = 0.08 if look.snow else 0.22
    for side in (-1, 1):
        tone = shaded(colour, 1 + contrast * facing * side)
        brush.area(-half_length, half_length, 0, side * half_width, tone)
        for step in np.arange(0.45, half_width, 0.45):
            level = 0.93 if not look.snow else 0.985
            brush.stroke((-half_length, side * step), (half_length, side * step), shaded(tone, level), 0.1)
        brush.stroke(
            (-half_length, side * half_width), (half_length, side * half_width), shaded(tone, 0.72), 0.16
        )
    if within(roof.tint * 3 % 1, _HIPPED_SHARE):
        _paint_hips(brush, colour, contrast, towards_sun)
    brush.stroke((-half_length, 0), (half_length, 0), shaded(colour, 1.18), 0.22)
    _paint_chimney(brush, look)


def _paint_hips(brush: _RoofPen, colour: Colour, contrast: float, towards_sun: Points) -> None:
    """Slopes at both ends as well."""
    half_length, half_width = brush.roof.length / 2, brush.roof.width / 2
    facing = float(direction(brush.roof.heading) @ towards_sun)
    for end in (-1, 1):
        corner, ridge = end * half_length, end * (half_length - half_width)
        tone = shaded(colour, 1 + contrast * facing * end)
        brush.shape([(corner, -half_width), (corner, half_width), (ridge, 0)], tone)
        for side in (-1, 1):
            brush.stroke((corner, side * half_width), (ridge, 0), shaded(colour, 1.12), 0.16)


def _paint_chimney(brush: _RoofPen, look: Look) -> None:
    x, y = (brush.roof.tint - 0.5) * brush.roof.length * 0.6, brush.roof.width * 0.16
    brick: Colour = (70, 84, 128) if not look.snow else (120, 124, 140)
    brush.area(x - 0.1, x + 1.1, y - 0.1, y + 1.1, shaded(brick, 0.45))
    brush.area(x - 0.4, x + 0.6, y - 0.4, y + 0.6, brick)
    brush.area(x - 0.15, x + 0.35, y - 0.15, y + 0.35, (40, 40, 44))


def _paint_flat(brush: _RoofPen, colour: Colour, look: Look, sun_angle: float) -> None:
    roof = brush.roof
    half_length, half_width = roof.length / 2, roof.width / 2
    field = mixed(colour, (140, 142, 144) if not look.snow else (232, 228, 224), 0.55)
    brush.area(-half_length, half_length, -half_width, half_width, shaded(field, 1.25))
    brush.area(
        -half_length + 0.5, half_length - 0.5, -half_width + 0.5, half_width - 0.5, shaded(field, 0.78)
    )
    brush.area(-half_length + 0.8, half_length - 0.5, -half_width + 0.8, half_width - 0.5, field)
    for x in np.arange(-half_length + 3, half_length - 1, 3.0):
        brush.stroke((x, -half_width + 0.6), (x, half_width - 0.6), shaded(field, 0.94), 0.12)
    fall = rotated(direction(sun_angle), -roof.heading) * 0.7
    for number, x in enumerate(np.arange(-half_length + 2.5, half_length - 3, 5.5)):
        y = half_width * (0.3 if number % 2 else -0.35)
        _paint_machine(
            brush, x, y, fall, shaded(field, 1.18), skylight=(number + int(roof.tint * 10)) % 3 == 0
        )


def _paint_machine(
    brush: _RoofPen, x: float, y: float, fall: Points, colour: Colour, *, skylight: bool
) -> None:
    """A skylight, or an air conditioner with its shadow."""
    if skylight:
        brush.area(x - 0.9, x + 0.9, y - 0.6, y + 0.6, shaded(colour, 1.1))
        brush.area(x - 0.75, x + 0.75, y - 0.45, y + 0.45, (150, 132, 112))
        return
    dx, dy = float(fall[0]), float(fall[1])
    brush.area(x - 0.8 + dx, x + 0.8 + dx, y - 0.7 + dy, y + 0.7 + dy, shaded(colour, 0.5))
    brush.area(x - 0.8, x + 0.8, y - 0.7, y + 0.7, colour)
    brush.area(x - 0.45, x + 0.45, y - 0.45, y + 0.45, shaded(colour, 0.6))


def roof_outline(roof: Roof) -> Points:
    """The four corners of a roof."""
    return rectangle(roof.centre, roof.length, roof.width, roof.heading)
