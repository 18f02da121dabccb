"""Encoded pictures to arrays and back, no larger than they are needed. Pure."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from azaion_augmentor.transforms import Canvas, Picture
from azaion_common.core.errors import PermanentError

_RGBA = 4
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def decode(data: bytes, *, longer_side: int, shorter_side: int, max_size: int) -> Canvas:
    """The picture in ``data``, shrunk so that no side is longer than ``max_size`` pixels.

    JPEGs much larger than that are decoded at 1/2, 1/4 or 1/8 of their size, which is both faster and clean.

    Args:
        data: any format that OpenCV reads.
        longer_side: of the stored picture, in pixels.
        shorter_side: of the stored picture, in pixels; one that would come to nothing is not reduced.
        max_size: of the result, in pixels.

    Raises:
        PermanentError: ``picture_undecodable``.
        cv2.error: ``StsNoMem`` when memory does not suffice.
    """
    fitting = (each for each in _REDUCED if longer_side >= each * max_size and shorter_side >= each)
    factor = max(fitting, default=1)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[factor]) if data else None
    if pixels is None:
        raise PermanentError("picture_undecodable", f"{len(data)} bytes are no picture that OpenCV can read")
    # Smaller first: a fourth channel for a picture of 64 million pixels would be a quarter of a gigabyte.
    return cv2.cvtColor(_shrink(pixels, max_size), cv2.COLOR_BGR2RGBA).astype(np.uint8, copy=False)


def encode_jpeg(picture: Picture | Canvas, quality: int) -> bytes:
    """``picture`` (height, width, 3 or 4), red first, as JPEG of ``quality`` 1 to 100."""
    pixels = cv2.cvtColor(picture, cv2.COLOR_RGBA2BGR if picture.shape[2] == _RGBA else cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _shrink(pixels: NDArray[Any], max_size: int) -> NDArray[Any]:
    height, width = pixels.shape[:2]
    scale = max_size / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
