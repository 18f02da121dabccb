"""The last steps of a picture: light of the condition, lamps at night, haze in winter, and the camera's own noise."""

from __future__ import annotations

import cv2
import numpy as np

from azaion_demo.scenes.camera import Camera
from azaion_demo.scenes.geometry import Points, direction, rotated
from azaion_demo.scenes.pen import Floats, Pen, Pixels
from azaion_demo.scenes.scene import Scene

Lights = list[tuple[Points, float, float]]
"""Position, heading and length of vehicles with their lights on."""

_LAMP_COLOUR = np.array([0.36, 0.62, 0.82], np.float32)
_BEAM_COLOUR = np.array([0.78, 0.86, 0.88], np.float32)
_HAZE_COLOUR = np.array([226, 222, 218], np.float32)


def finish(image: Pixels, scene: Scene, camera: Camera, lights: Lights, grain_seed: int) -> Pixels:
    """The picture as the camera would store it; BGR (H, W, 3)."""
    look = scene.look
    if look.lamps:
        image = _by_lamplight(image, scene, camera, lights)
    if look.haze:
        table = (
            np.arange(256, dtype=np.float32)[:, None] * np.array(look.ambient, np.float32) * (1 - look.haze)
        )
        image = np.asarray(
            cv2.LUT(image, (table + _HAZE_COLOUR * look.haze).astype(np.uint8)[None]), np.uint8
        )
    return _with_grain(image, scene.grain, grain_seed)


def _by_lamplight(image: Pixels, scene: Scene, camera: Camera, lights: Lights) -> Pixels:
    matrix = camera.matrix(np.zeros(2), 0.0, scene.ground.px_per_m)
    height, width = camera.size
    lamps = cv2.warpAffine(scene.ground.lamps, matrix, (width, height), flags=cv2.INTER_LINEAR)
    light = (
        np.array(scene.look.ambient, np.float32) + (lamps.astype(np.float32) / 255)[..., None] * _LAMP_COLOUR
    )
    light += _beams(camera, lights)[..., None] * _BEAM_COLOUR
    glow = _lamp_spots(camera, lights)
    return np.clip(image * light + glow, 0, 255).astype(np.uint8)


def _beams(camera: Camera, lights: Lights) -> Floats:
    """What headlamps throw onto the road ahead: two widening cones per vehicle, (H, W) from 0 to about 1."""
    height, width = camera.size
    small = np.zeros((height // 2, width // 2), np.uint8)
    pen = Pen(small, 0.5)
    for reach, level in ((13.0, 70.0), (9.0, 130.0), (5.0, 210.0)):
        for position, heading, length in lights:
            for side in (-0.6, 0.6):
                x = length / 2 - 0.1
                spread = reach * 0.17
                cone = np.array(
                    [
                        [x, side - 0.25],
                        [x + reach, side - spread],
                        [x + reach, side + spread],
                        [x, side + 0.25],
                    ]
                )
                pen.polygon(camera.to_picture(rotated(cone, heading) + position), (level,))
    soft = cv2.GaussianBlur(small, (0, 0), 0.45 * camera.px_per_m)
    return np.asarray(cv2.resize(soft, (width, height)).astype(np.float32) / 255, np.float32)


def _lamp_spots(camera: Camera, lights: Lights) -> Floats:
    """The lamps themselves: white in front, red behind, with a little halo; (H, W, 3) to be added."""
    spots = np.zeros((*camera.size, 3), np.uint8)
    pen = Pen(spots, camera.px_per_m)
    for position, heading, length in lights:
        for end, colour in ((0.47, (235.0, 250.0, 255.0)), (-0.48, (30.0, 24.0, 255.0))):
            for side in (-0.62, 0.62):
                across = direction(heading + np.pi / 2) * side
                place = camera.to_picture((position + direction(heading) * length * end + across)[None])[0]
                pen.disc(place / camera.px_per_m, 0.2, colour)
    core = cv2.GaussianBlur(spots, (0, 0), 0.08 * camera.px_per_m)
    small = cv2.resize(spots, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    halo = cv2.resize(cv2.GaussianBlur(small, (0, 0), 0.12 * camera.px_per_m), camera.size[::-1])
    return np.asarray(core.astype(np.float32) + 0.8 * halo.astype(np.float32), np.float32)


def _with_grain(image: Pixels, grain: Pixels, seed: int) -> Pixels:
    """Sensor noise: a window of the scene's grain, another one for each seed."""
    height, width = image.shape[:2]
    down, right = np.random.default_rng(seed).integers(0, grain.shape[0], 2).tolist()
    rows = (np.arange(height) + down) % grain.shape[0]
    columns = (np.arange(width) + right) % grain.shape[1]
    noise = grain[rows][:, columns]
    return np.asarray(cv2.addWeighted(image, 1.0, noise, 1.0, -128.0), np.uint8)
