"""Drawing detections into a picture."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from azaion_common.detection.detections import Detections

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GOLDEN_RATIO = 0.618033988749895
_UNKNOWN: Colour = (160, 160, 160)
_DARK_TEXT_FROM = 140


def palette(class_ids: Iterable[int]) -> dict[int, Colour]:
    """Give each class a colour of its own, always the same one; neighbouring ids lie far apart in hue."""
    return {class_id: _hue(class_id * _GOLDEN_RATIO % 1) for class_id in class_ids}


def draw(
    image_bgr: NDArray[np.uint8],
    detections: Detections,
    names: Mapping[int, str],
    colours: Mapping[int, Colour],
) -> NDArray[np.uint8]:
    """Draw each box with its name and confidence **into** ``image_bgr`` (H, W, 3) and return it."""
    thickness = max(round(sum(image_bgr.shape[:2]) / 2 * 0.003), 1)
    corners = detections.boxes.round().astype(int).tolist()
    for box, score, class_id in zip(
        corners, detections.scores.tolist(), detections.class_ids.tolist(), strict=True
    ):
        colour = colours.get(class_id, _UNKNOWN)
        label = f"{names.get(class_id, f'class {class_id}')} {score:.2f}"
        cv2.rectangle(image_bgr, box[:2], box[2:], colour[::-1], thickness)
        _label(image_bgr, (box[0], box[1]), label, colour, thickness)
    return image_bgr


def _label(
    image_bgr: NDArray[np.uint8], corner: tuple[int, int], text: str, colour: Colour, thickness: int
) -> None:
    scale = max(thickness / 4.5, 0.4)
    (width, height), baseline = cv2.getTextSize(text, _FONT, scale, 1)
    x = max(min(corner[0], image_bgr.shape[1] - width), 0)
    y = max(corner[1] - baseline - 1, height + 1)  # a box at the upper edge has its label inside
    cv2.rectangle(image_bgr, (x, y - height - 1), (x + width, y + baseline), colour[::-1], cv2.FILLED)
    brightness = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    ink = (0, 0, 0) if brightness >= _DARK_TEXT_FROM else (255, 255, 255)
    cv2.putText(image_bgr, text, (x, y), _FONT, scale, ink, 1, cv2.LINE_AA)


def _hue(hue: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)
