"""Paints a layout as seen straight from above, without its traffic: land, roads, houses, trees, lamps.

Layers stay apart because vehicles go between them: what lies on the ground, how much sun reaches it, the tree
crowns above, and the lamp light at night.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from azaion_demo.scenes.dice import pick
from azaion_demo.scenes.geometry import Points
from azaion_demo.scenes.houses import paint_roofs, roof_outline
from azaion_demo.scenes.layout import Layout, Patch, Roof, Tree
from azaion_demo.scenes.looks import Look, Surface
from azaion_demo.scenes.pen import Floats, Pen, Pixels
from azaion_demo.scenes.streets import paint_streets
from azaion_demo.scenes.texture import layered_noise
from azaion_demo.scenes.trees import paint_crowns


@dataclass(frozen=True, eq=False)
class Ground:
    """The painted layers of a place, each (H, W[, C]) at ``px_per_m``."""

    px_per_m: float
    albedo: Pixels
    """BGR without light or shadow."""
    sun: Pixels
    """255 in the sun, 0 in the full shadow of a house or tree."""
    canopy: Pixels
    """Tree crowns, BGRA with premultiplied alpha."""
    lamps: Pixels
    """Light of street lamps, 255 at its strongest."""


def paint_ground(rng: Generator, layout: Layout, look: Look, px_per_m: float, sun_angle: float) -> Ground:
    """Paint a layout; ``sun_angle`` is the direction in which shadows fall (radians)."""
    width, height = (round(side * px_per_m) for side in layout.extent)
    noise = layered_noise(rng, (height, width), (1.6, 5.0, 16.0, 70.0))
    albedo = _paint_land(layout.patches, look, noise, px_per_m)
    _paint_yards(albedo, layout.roofs, look, noise, px_per_m)
    paint_streets(albedo, layout, look, noise, px_per_m)
    albedo = _grained(albedo, noise, 0.028)
    paint_roofs(Pen(albedo, px_per_m), layout.roofs, look, sun_angle)
    return Ground(
        px_per_m=px_per_m,
        albedo=albedo,
        sun=_paint_sun(layout, look, (height, width), px_per_m, sun_angle),
        canopy=paint_crowns(rng, layout.trees, look, (height, width), px_per_m=px_per_m, sun_angle=sun_angle),
        lamps=_paint_lamps(layout.lamps, (height, width), px_per_m)
        if look.lamps
        else np.zeros((1, 1), np.uint8),
    )


def _grained(image: Pixels, noise: Floats, strength: float) -> Pixels:
    gain = np.clip((1.0 + strength * noise) * 128.0, 0, 255).astype(np.uint8)
    return np.asarray(cv2.multiply(image, cv2.merge([gain] * 3), scale=1 / 128), np.uint8)


def _paint_land(patches: tuple[Patch, ...], look: Look, noise: Floats, px_per_m: float) -> Pixels:
    height, width = noise.shape
    land = np.zeros((height, width, 3), np.uint8)
    for patch in patches:
        surface = pick(look.land, patch.kind)
        mask = np.zeros((height, width), np.uint8)
        Pen(mask, px_per_m).polygon(patch.outline, (255,))
        x, y, columns, rows = cv2.boundingRect(mask)
        if not columns:
            continue
        window = np.s_[y : y + rows, x : x + columns]
        tone = surface.grain * noise[window]
        if surface.row_spacing_m:
            tone = tone + surface.row_depth * _furrows(
                patch, (x, y, columns, rows), surface.row_spacing_m * px_per_m
            )
        share = np.clip(0.5 + 0.45 * np.roll(noise, 57, axis=1)[window], 0, 1)
        cv2.copyTo(_blended(surface, share, 1 + tone), mask[window], land[window])
    return land


def _blended(surface: Surface, share: Floats, gain: Floats) -> Pixels:
    """The surface's two colours mixed by ``share`` and brightened by ``gain``, both (H, W)."""
    pairs = zip(surface.colour, surface.patches, strict=True)
    channels = [(np.float32(first) + np.float32(second - first) * share) * gain for first, second in pairs]
    return np.asarray(cv2.convertScaleAbs(cv2.merge(channels)), np.uint8)


def _furrows(patch: Patch, window: tuple[int, int, int, int], spacing_px: float) -> Floats:
    """Rows along the heading of the patch, as a wave between -1 and 1."""
    x, y, columns, rows = window
    across = np.array([-np.sin(patch.heading), np.cos(patch.heading)], np.float32) * (2 * np.pi / spacing_px)
    horizontal = (np.arange(columns, dtype=np.float32) + x) * across[0]
    vertical = (np.arange(rows, dtype=np.float32) + y) * across[1]
    return np.asarray(np.sin(horizontal[None, :] + vertical[:, None]), np.float32)


def _paint_yards(albedo: Pixels, roofs: tuple[Roof, ...], look: Look, noise: Floats, px_per_m: float) -> None:
    """A lawn around each house, with soft edges into the field."""
    mask = np.zeros(noise.shape, np.uint8)
    pen = Pen(mask, px_per_m)
    for roof in roofs:
        pen.disc(roof.centre, 0.5 * (roof.length + roof.width) * 0.75, (255,))
    x, y, columns, rows = cv2.boundingRect(mask)
    if not columns:
        return
    window = np.s_[y : y + rows, x : x + columns]
    small = cv2.resize(mask[window], None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    soft = cv2.resize(cv2.GaussianBlur(small, (0, 0), px_per_m * 0.3), (columns, rows))
    lawn = _blended(
        look.yard, np.clip(0.5 + 0.5 * noise[window], 0, 1), 1 + look.yard.grain * 0.6 * noise[window]
    )
    share = soft.astype(np.float32) / 255
    albedo[window] = cv2.blendLinear(lawn, np.ascontiguousarray(albedo[window]), share, 1 - share)


def shadow_outline(outline: Points, height_m: float, look: Look, sun_angle: float) -> Points:
    """What a flat-topped thing of some height covers with its shadow: the hull of itself and itself, moved."""
    shift = np.array([np.cos(sun_angle), np.sin(sun_angle)]) * height_m * look.shadow_stretch
    both = np.concatenate([outline, outline + shift]).astype(np.float32)
    return np.asarray(cv2.convexHull(both)[:, 0], np.float64)


def _paint_sun(
    layout: Layout, look: Look, shape: tuple[int, int], px_per_m: float, sun_angle: float
) -> Pixels:
    sun = np.full(shape, 255, np.uint8)
    pen = Pen(sun, px_per_m)
    for tree in layout.trees:
        _cast_crown(pen, tree, look, sun_angle)
    for roof in layout.roofs:
        pen.polygon(shadow_outline(roof_outline(roof), roof.height, look, sun_angle), (0,))
    sun = np.asarray(cv2.GaussianBlur(sun, (0, 0), look.shadow_softness_m * px_per_m), np.uint8)
    lit = Pen(sun, px_per_m)
    for roof in layout.roofs:
        lit.polygon(roof_outline(roof), (255,))
    return sun


def _cast_crown(pen: Pen, tree: Tree, look: Look, sun_angle: float) -> None:
    """A few overlapping discs, so that the edge is as uneven as a crown's."""
    fall = np.array([np.cos(sun_angle), np.sin(sun_angle)]) * tree.radius * 1.9 * look.shadow_stretch
    for turn in np.arange(5) * 1.257 + tree.tint * 6:
        lump = np.array([np.cos(turn), np.sin(turn)]) * tree.radius * 0.45
        pen.disc(tree.centre + fall + lump, tree.radius * 0.62, (110.0 if look.snow else 20.0,))


def _paint_lamps(lamps: tuple[Points, ...], shape: tuple[int, int], px_per_m: float) -> Pixels:
    """Pools of light, painted small and enlarged: they have no sharp edges."""
    scale = 8
    light = np.zeros((shape[0] // scale + 1, shape[1] // scale + 1), np.uint8)
    pen = Pen(light, px_per_m / scale)
    for lamp in lamps:
        pen.disc(lamp, 3.6, (255,))
    soft = cv2.GaussianBlur(light, (0, 0), 3.0 * px_per_m / scale)
    return np.asarray(cv2.resize(soft, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.uint8)
