"""Photographs a scene: ground, shadows, vehicles, crowns, light and lens, in the order in which light meets them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from azaion_demo.scenes.bodywork import paint_vehicle
from azaion_demo.scenes.camera import Camera
from azaion_demo.scenes.dice import within
from azaion_demo.scenes.geometry import Points, clipped, polygon_area, rotated
from azaion_demo.scenes.ground import shadow_outline
from azaion_demo.scenes.light import finish
from azaion_demo.scenes.looks import Look
from azaion_demo.scenes.pen import Pen, Pixels
from azaion_demo.scenes.scene import Scene
from azaion_demo.scenes.traffic import Track

MIN_VISIBLE_SHARE = 0.4
_SNOWED_SHARE = 0.4


class Box(NamedTuple):
    """Corners in pixels (edges, not centres: a box over the whole picture ends at its width) and the class id."""

    x1: float
    y1: float
    x2: float
    y2: float
    class_id: int


@dataclass(frozen=True, eq=False)
class Picture:
    """A rendered picture with its truth."""

    image: Pixels
    """BGR, (H, W, 3)."""
    boxes: tuple[Box, ...]
    bodies: NDArray[np.uint8]
    """(H, W): the 1-based number of the box whose vehicle covers the pixel, crowns not counted; 0 elsewhere."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A vehicle in the view of a camera."""

    track: Track
    position: Points
    heading: float

    def outline(self) -> Points:
        return rotated(self.track.vehicle.outline, self.heading) + self.position


def render(scene: Scene, camera: Camera, time_s: float, *, grain_seed: int = 0) -> Picture:
    """The picture that ``camera`` takes of ``scene`` at a time; equal arguments give equal pixels."""
    placed = _in_view(scene, camera, time_s)
    corner = np.zeros(2)
    ground = _warped(scene.ground.albedo, camera, corner, 0.0, scene.ground.px_per_m)
    sun = _warped(scene.ground.sun, camera, corner, 0.0, scene.ground.px_per_m)
    canopy = _warped(scene.ground.canopy, camera, corner, 0.0, scene.ground.px_per_m)
    image = _lit(ground, _with_shadows(sun, placed, scene, camera), scene.look)
    bodies = np.zeros(camera.size, np.uint8)
    boxes: list[Box] = []
    for each in placed:
        window, body = _paint_body(image, sun, each, scene.look, camera)
        box = _labelled_box(each, body, canopy[(*window, 3)], camera)
        if box is not None:
            boxes.append(box)
            bodies[window][body > 127] = len(boxes)  # noqa: PLR2004 (half covered)
    _lay_over(image, canopy)
    return Picture(finish(image, scene, camera, placed_lights(placed), grain_seed), tuple(boxes), bodies)


def placed_lights(placed: list[Placed]) -> list[tuple[Points, float, float]]:
    """Position, heading and length of each vehicle whose lights are on."""
    return [
        (each.position, each.heading, each.track.vehicle.length_m) for each in placed if not each.track.parked
    ]


def _in_view(scene: Scene, camera: Camera, time_s: float) -> list[Placed]:
    reach = np.hypot(*camera.size) / 2 / camera.px_per_m + 14
    placed = []
    for track in scene.traffic:
        x, y, heading = track.poses(np.array([time_s]))[0]
        position = np.array([x, y])
        if np.linalg.norm(position - camera.centre) < reach:
            placed.append(Placed(track, position, float(heading)))
    return placed


def _warped(raster: Pixels, camera: Camera, corner: Points, heading: float, px_per_m: float) -> Pixels:
    height, width = camera.size
    matrix = camera.matrix(corner, heading, px_per_m)
    return np.asarray(cv2.warpAffine(raster, matrix, (width, height), flags=cv2.INTER_LINEAR), np.uint8)


def _with_shadows(sun: Pixels, placed: list[Placed], scene: Scene, camera: Camera) -> Pixels:
    """Sunlight that reaches the ground: also vehicles cast a shadow, and it is always darker right beneath them."""
    cast = np.full(camera.size, 255, np.uint8)
    pen = Pen(cast, 1.0)
    for each in placed:
        outline, height = each.outline(), each.track.vehicle.height_m
        pen.polygon(camera.to_picture(shadow_outline(outline, height, scene.look, scene.sun_angle)), (20,))
    for each in placed:
        wider = (each.outline() - each.position) * 1.07 + each.position
        pen.polygon(camera.to_picture(wider), (0,))
    softness = max(0.8, scene.look.shadow_softness_m * camera.px_per_m)
    return np.asarray(cv2.min(sun, cv2.GaussianBlur(cast, (0, 0), softness)), np.uint8)


def _lit(albedo: Pixels, sun: Pixels, look: Look) -> Pixels:
    """Colours times light; the light in the shade is that of the sky."""
    levels = np.arange(256, dtype=np.float32)[:, None] / 255
    shade = 1 - (1 - levels) * (1 - (1 - np.array(look.shadow, np.float32)))
    table = (shade * 255).astype(np.uint8)[None]
    light = cv2.LUT(cv2.cvtColor(sun, cv2.COLOR_GRAY2BGR), table)
    return np.asarray(cv2.multiply(albedo, light, scale=1 / 255), np.uint8)


def _paint_body(
    image: Pixels, sun: Pixels, placed: Placed, look: Look, camera: Camera
) -> tuple[tuple[slice, slice], Pixels]:
    """Paint a vehicle; returns the window of the picture that it touches and its coverage there, 0-255."""
    window = _window(placed, camera)
    rows, columns = window
    snowed = look.snow and (placed.track.parked or within(placed.track.vehicle.style, _SNOWED_SHARE))
    sprite = paint_vehicle(placed.track.vehicle, 2 * camera.px_per_m, snowed=snowed)
    size = np.array(sprite.pixels.shape[1::-1]) / sprite.px_per_m
    corner = rotated(-size / 2, placed.heading) + placed.position
    matrix = camera.matrix(corner, placed.heading, sprite.px_per_m)
    matrix[:, 2] -= [columns.start, rows.start]
    shape = (columns.stop - columns.start, rows.stop - rows.start)
    if min(shape) <= 0:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.uint8)
    body = np.asarray(cv2.warpAffine(sprite.pixels, matrix, shape, flags=cv2.INTER_LINEAR), np.uint8)
    share = body[..., 3:].astype(np.float32) / 255
    colours = _lit(np.ascontiguousarray(body[..., :3]), np.ascontiguousarray(sun[window]), look)
    image[window] = np.rint(image[window] * (1 - share) + colours * share).astype(np.uint8)
    return window, body[..., 3]


def _window(placed: Placed, camera: Camera) -> tuple[slice, slice]:
    """Rows and columns of the picture around a vehicle, clipped to the picture."""
    outline = camera.to_picture(placed.outline())
    low, high = np.floor(outline.min(axis=0)) - 2, np.ceil(outline.max(axis=0)) + 2
    height, width = camera.size
    x0, y0 = np.clip(low, 0, [width, height]).astype(int).tolist()
    x1, y1 = np.clip(high, 0, [width, height]).astype(int).tolist()
    return slice(y0, max(y0, y1)), slice(x0, max(x0, x1))


def _labelled_box(placed: Placed, body: Pixels, crowns: Pixels, camera: Camera) -> Box | None:
    """The box of a body clipped to the picture, or None if less than ``MIN_VISIBLE_SHARE`` of it can be seen."""
    outline = camera.to_picture(placed.outline())
    visible = float((body * (255.0 - crowns)).sum()) / 255**2
    if visible < MIN_VISIBLE_SHARE * polygon_area(outline):
        return None
    height, width = camera.size
    inside = clipped(outline, width, height)
    (x1, y1), (x2, y2) = inside.min(axis=0).tolist(), inside.max(axis=0).tolist()
    return Box(x1, y1, x2, y2, int(placed.track.vehicle.kind))


def _lay_over(image: Pixels, layer: Pixels) -> None:
    """Put a premultiplied BGRA layer over an image, in place."""
    through = cv2.cvtColor(255 - layer[..., 3], cv2.COLOR_GRAY2BGR)
    cv2.add(cv2.multiply(image, through, scale=1 / 255), np.ascontiguousarray(layer[..., :3]), dst=image)
