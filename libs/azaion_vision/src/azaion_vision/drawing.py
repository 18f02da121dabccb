"""Drawing detections into a picture."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from azaion_common.contracts.catalogue.colours import derived_colour
from azaion_vision.detections import Detections

Bgr = tuple[int, int, int]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_DARK_TEXT_FROM = 140


def draw(
    image_bgr: NDArray[np.uint8],
    detections: Detections,
    names: Mapping[int, str],
    colours: Mapping[int, str] | None = None,
) -> NDArray[np.uint8]:
    """Draw each box with its name and confidence **into** ``image_bgr`` (H, W, 3) and return it.

    ``colours`` are ``#rrggbb`` by class id, as in the catalogue; a class without one gets the catalogue's derived one.
    """
    thickness = max(round(sum(image_bgr.shape[:2]) / 2 * 0.003), 1)
    corners = detections.boxes.round().astype(int).tolist()
    for box, score, class_id in zip(
        corners, detections.scores.tolist(), detections.class_ids.tolist(), strict=True
    ):
        colour = _bgr((colours or {}).get(class_id) or derived_colour(class_id))
        label = f"{names.get(class_id, f'class {class_id}')} {score:.2f}"
        cv2.rectangle(image_bgr, box[:2], box[2:], colour, thickness)
        _label(image_bgr, (box[0], box[1]), label, colour, thickness)
    return image_bgr


def _label(
    image_bgr: NDArray[np.uint8], corner: tuple[int, int], text: str, colour: Bgr, thickness: int
) -> None:
    scale = max(thickness / 4.5, 0.4)
    (width, height), baseline = cv2.getTextSize(text, _FONT, scale, 1)
    x = max(min(corner[0], image_bgr.shape[1] - width), 0)
    y = max(corner[1] - baseline - 1, height + 1)  # a box at the upper edge has its label inside
    cv2.rectangle(image_bgr, (x, y - height - 1), (x + width, y + baseline), colour, cv2.FILLED)
    brightness = 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2]
    ink = (0, 0, 0) if brightness >= _DARK_TEXT_FROM else (255, 255, 255)
    cv2.putText(image_bgr, text, (x, y), _FONT, scale, ink, 1, cv2.LINE_AA)


def _bgr(hex_colour: str) -> Bgr:
    red, green, blue = bytes.fromhex(hex_colour.removeprefix("#"))
    return blue, green, red
