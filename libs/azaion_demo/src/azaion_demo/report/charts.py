"""Charts as inline SVG: data in, markup out. Colours are CSS classes, so that they follow the page's light or dark.

No script: every point brings a full-height strip that shows its values on hover.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

Point = tuple[float, float]

_WIDTH, _HEIGHT = 460.0, 236.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, 10.0, 12.0, 34.0
_TICKS = 5
_DOTS_UP_TO = 25
_BLOCKS_UP_TO = 500


@dataclass(frozen=True, slots=True)
class Series:
    """A line; ``style`` is a CSS class of the style sheet."""

    name: str
    points: Sequence[Point]
    style: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A finished chart with what stands above it."""

    title: str
    keys: tuple[Series, ...]
    svg: Markup


class Frame(NamedTuple):
    """The values at the edges of the plot."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        return _LEFT + (value - self.x_low) / (self.x_high - self.x_low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def line_chart(
    title: str, series: Sequence[Series], *, x_name: str, y_high: float | None = None
) -> Chart | None:
    """Lines over a common axis, from 0 up to ``y_high`` (default: a round value above all); None without a point."""
    drawn = tuple(each for each in series if each.points)
    if not drawn:
        return None
    frame = _frame(drawn, y_high)
    parts = [
        *_axes(frame, x_name),
        *(_line(each, frame) for each in drawn),
        *_strips(drawn, frame, x_name),
    ]
    svg = Markup('<svg class="plot" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, title, Markup("").join(parts)
    )
    return Chart(title, drawn, svg)


def group_strip(sides: Mapping[str, Sequence[tuple[str, int]]]) -> Markup:
    """One bar whose blocks are groups, as wide as they have pictures, coloured by side.

    More than 500 groups could not be told apart: then a side is one block.
    """
    if sum(map(len, sides.values())) > _BLOCKS_UP_TO:
        sides = {
            side: [(f"{len(groups)} groups", sum(size for _, size in groups))]
            for side, groups in sides.items()
        }
    total = sum(size for groups in sides.values() for _, size in groups)
    count = sum(map(len, sides.values()))
    gap = min(2.5, 250 / max(count, 1))
    scale, x, parts = 1000 / max(total, 1), 0.0, []
    for side, groups in sides.items():
        for name, size in groups:
            parts.append(
                Markup(
                    '<rect class="{}" x="{:.2f}" y="0" width="{:.2f}" height="36"><title>{}</title></rect>'
                ).format(f"side-{side}", x, max(size * scale - gap, 0.4), _group_title(name, size, side))
            )
            x += size * scale
    return Markup(
        '<svg class="strip" viewBox="0 0 1000 36" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format("groups of pictures by side", Markup("").join(parts))


def nice_ticks(low: float, high: float, count: int = _TICKS) -> list[float]:
    """Round values from ``low`` to ``high`` at steps of 1, 2, 2.5 or 5 times a power of ten (Heckbert 1990)."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / count
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(round(number * step, 10)) for number in range(first, last + 1)]


def _group_title(name: str, size: int, side: str) -> str:
    return f"{name}: {size} picture{'' if size == 1 else 's'}, {side}"


def _frame(series: Sequence[Series], y_high: float | None) -> Frame:
    xs = [x for each in series for x, _ in each.points]
    ys = [y for each in series for _, y in each.points]
    low, high = min(xs), max(xs)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return Frame(low, high, 0.0, y_high or _round_above(max(ys)))


def _round_above(value: float) -> float:
    if value <= 0:
        return 1.0
    ticks = nice_ticks(0, value)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else value
    return max(math.ceil(value / step - 1e-9) * step, value)


def _axes(frame: Frame, x_name: str) -> list[Markup]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    heights = [(frame.y(value), value) for value in nice_ticks(frame.y_low, frame.y_high)]
    xs = [value for value in nice_ticks(frame.x_low, frame.x_high, 6) if value.is_integer()]
    return [
        *(_level("grid", right, y) for y, _ in heights),
        *(_text(_LEFT - 7, y + 4, f"{value:g}", "end") for y, value in heights),
        *(_text(frame.x(value), bottom + 17, f"{value:g}", "middle") for value in xs),
        _level("axis", right, bottom),
        _text(right, _HEIGHT - 3, x_name, "end"),
    ]


def _level(style: str, right: float, y: float) -> Markup:
    line = Markup('<line class="{}" x1="{:g}" x2="{:g}" y1="{:.1f}" y2="{:.1f}"/>')
    return line.format(style, _LEFT, right, y, y)


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)


def _line(series: Series, frame: Frame) -> Markup:
    places = [(frame.x(x), frame.y(min(y, frame.y_high))) for x, y in series.points]
    path = Markup('<path class="line {}" d="M{}"/>').format(
        series.style, "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    )
    dots = places if len(places) <= _DOTS_UP_TO else places[-1:]
    return path + Markup("").join(
        Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="2.6"/>').format(series.style, x, y)
        for x, y in dots
    )


def _strips(series: Sequence[Series], frame: Frame, x_name: str) -> list[Markup]:
    """Per x an invisible strip that carries the values of all lines there."""
    values: dict[float, list[tuple[Series, float]]] = {}
    for each in series:
        for x, y in each.points:
            values.setdefault(x, []).append((each, y))
    xs = sorted(values)
    half = (_WIDTH - _LEFT - _RIGHT) / max(len(xs) - 1, 1) / 2
    return [_strip(frame, x, values[x], half, f"{x_name} {x:g}") for x in xs]


def _strip(frame: Frame, x: float, here: Sequence[tuple[Series, float]], half: float, head: str) -> Markup:
    centre, bottom = frame.x(x), _HEIGHT - _BOTTOM
    left, right = max(centre - half, _LEFT), min(centre + half, _WIDTH - _RIGHT)
    title = "\n".join([head, *(f"{each.name} {_value(y)}" for each, y in here)])
    dots = Markup("").join(
        Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="4"/>').format(
            each.style, centre, frame.y(min(y, frame.y_high))
        )
        for each, y in here
    )
    return Markup(
        '<g class="hover"><title>{}</title><rect x="{:.1f}" y="{:g}" width="{:.1f}" height="{:g}"/>'
        '<g><line x1="{:.1f}" x2="{:.1f}" y1="{:g}" y2="{:g}"/>{}</g></g>'
    ).format(title, left, _TOP, right - left, bottom - _TOP, centre, centre, _TOP, bottom, dots)


def _value(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:.0f}"  # noqa: PLR2004
