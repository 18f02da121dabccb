"""A scene: a place in a condition, with its traffic, ready to be photographed at any time from any point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from azaion_common.core.errors import PermanentError
from azaion_demo.scenes.camera import Camera
from azaion_demo.scenes.geometry import Points
from azaion_demo.scenes.ground import Ground, paint_ground
from azaion_demo.scenes.layout import Layout, Theme, plan_layout
from azaion_demo.scenes.looks import LOOKS, Look
from azaion_demo.scenes.pen import Pixels
from azaion_demo.scenes.traffic import Track, plan_traffic

VIEW_WIDTH_M = 74.0
"""How much ground a picture shows from left to right."""
_GRAIN_PX = 512


def view_diagonal_m(size: tuple[int, int]) -> float:
    """The longest way across a picture of ``size`` (height, width): a camera needs half of it around its centre."""
    return float(np.hypot(VIEW_WIDTH_M, VIEW_WIDTH_M * size[0] / size[1]))


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that the pictures of one recording share."""

    layout: Layout
    look: Look
    ground: Ground
    traffic: tuple[Track, ...]
    sun_angle: float
    grain: Pixels
    """Camera noise around 128, (N, N, 3); each picture takes another window of it."""

    @classmethod
    def create(
        cls,
        seed: tuple[int, ...],
        condition: str,
        theme: Theme,
        times_s: Points,
        *,
        extent: tuple[float, float],
        width_px: int,
    ) -> Scene:
        """A scene that depends on its arguments only.

        ``times_s`` are the times it will be seen at, ``extent`` its size in metres, ``width_px`` the width of its
        pictures. Raises ``PermanentError`` (``unknown_condition``) for a condition that has no look.
        """
        if condition not in LOOKS:
            raise PermanentError(
                "unknown_condition", f"no look for condition '{condition}'", hint=", ".join(LOOKS)
            )
        look = LOOKS[condition]
        plan_rng, paint_rng, traffic_rng, noise_rng = (
            np.random.default_rng((*seed, part)) for part in range(4)
        )
        layout = plan_layout(plan_rng, extent, theme)
        sun_angle = float(plan_rng.uniform(0, 2 * np.pi))
        noise = noise_rng.standard_normal((_GRAIN_PX, _GRAIN_PX, 3), dtype=np.float32) * look.noise_sigma
        return cls(
            layout=layout,
            look=look,
            ground=paint_ground(paint_rng, layout, look, width_px / VIEW_WIDTH_M, sun_angle),
            traffic=plan_traffic(traffic_rng, layout, times_s),
            sun_angle=sun_angle,
            grain=np.clip(noise + 128, 0, 255).astype(np.uint8),
        )

    def camera(self, centre: Points, heading: float, size: tuple[int, int], zoom: float = 1.0) -> Camera:
        """A camera whose picture of ``size`` (height, width) shows ``VIEW_WIDTH_M / zoom`` metres."""
        return Camera(centre, heading, size[1] / VIEW_WIDTH_M * zoom, size)
