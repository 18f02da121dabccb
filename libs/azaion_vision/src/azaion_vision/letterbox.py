"""Fitting a picture into a model's input: scaled with its aspect kept, centred, padded with grey.

Arithmetic and rounding are those of the letterbox YOLO models are trained and validated with (Ultralytics
``LetterBox`` with ``auto=False, center=True, padding_value=114``), pixel for pixel, so that an export can be
compared with its checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

PAD_GREY = 114
_WHITE = np.float32(255)


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in the model's input: ``input = original * scale + pad``. Sizes are (height, width)."""

    pad_x: int
    pad_y: int
    resized: tuple[int, int]
    original: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Input pixels per original pixel in x and y; they differ a little, since each side is rounded by itself."""
        return self.resized[1] / self.original[1], self.resized[0] / self.original[0]

    def to_original(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring (n, 4) ``xyxy`` boxes from input pixels to pixels of the original picture, clipped to it."""
        shifted = boxes - np.array([self.pad_x, self.pad_y] * 2, np.float32)
        height, width = self.original
        limits = np.array([width, height] * 2, np.float32)
        boxes = np.maximum(shifted / np.array(self.scale * 2, np.float32), np.float32(0))
        return np.minimum(boxes, limits, out=boxes)


@dataclass(frozen=True)
class Letterbox:
    """The rule for one input size, (height, width) in pixels."""

    size: tuple[int, int]

    def place(self, image_size: tuple[int, int]) -> Placement:
        """Say where a picture of ``image_size`` (height, width) goes."""
        (height, width), (image_height, image_width) = self.size, image_size
        scale = min(height / image_height, width / image_width)
        resized = max(round(image_height * scale), 1), max(round(image_width * scale), 1)
        # 0.1 decides which side takes the odd pixel of padding: the far one.
        pad_y = round((height - resized[0]) / 2 - 0.1)
        pad_x = round((width - resized[1]) / 2 - 0.1)
        return Placement(pad_x, pad_y, resized, image_size)


def letterbox(
    image_bgr: NDArray[np.uint8], size: tuple[int, int], out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Fill one slot of a model's batch with a picture.

    Args:
        image_bgr: (H, W, 3) uint8, blue first as OpenCV decodes.
        size: (height, width) of the input.
        out: (3, height, width), float32 (filled with 0 to 1) or uint8 (0 to 255), usually a slot of a batch that is
            used again and again; a fresh float32 array when none is given.

    Returns:
        ``out``, red first.
    """
    place = Letterbox(size).place((image_bgr.shape[0], image_bgr.shape[1]))
    height, width = place.resized
    if image_bgr.shape[:2] != place.resized:
        image_bgr = cv2.resize(image_bgr, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    slot = np.empty((3, *size), np.float32) if out is None else out
    bottom, right = place.pad_y + height, place.pad_x + width
    _pad(slot, place.pad_y, bottom, place.pad_x, right)
    for channel, plane in enumerate(reversed(cv2.split(image_bgr))):
        target = slot[channel, place.pad_y : bottom, place.pad_x : right]
        if slot.dtype == np.uint8:
            target[:] = plane
        else:
            np.divide(plane, _WHITE, out=target)
    return slot


def _pad(slot: NDArray[Any], top: int, bottom: int, left: int, right: int) -> None:
    grey = PAD_GREY if slot.dtype == np.uint8 else np.float32(PAD_GREY) / _WHITE
    slot[:, :top] = grey
    slot[:, bottom:] = grey
    slot[:, top:bottom, :left] = grey
    slot[:, top:bottom, right:] = grey
