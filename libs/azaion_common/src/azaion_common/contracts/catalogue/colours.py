"""Colours for classes that were not given one: well spread, and the same on every machine."""

from __future__ import annotations

import colorsys

_GOLDEN_RATIO = 0.618033988749895


def derived_colour(class_id: int) -> str:
    """A ``#rrggbb`` for a class id; steps of the golden ratio keep neighbouring ids far apart in hue."""
    hue = (class_id * _GOLDEN_RATIO) % 1.0
    value = (0.95, 0.75, 0.85)[class_id % 3]
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hsv_to_rgb(hue, 0.72, value))
