"""A camera on this machine, by its index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import cv2

from azaion_inferencer.adapters.live_source import DEFAULT_RATE, Decode, SourceLostError
from azaion_inferencer.ports import Image

Capture = Any
"""cv2.VideoCapture, or what behaves so."""
_ERRORS_ONLY = cv2.utils.logging.LOG_LEVEL_ERROR


class Camera:
    """An opened camera."""

    def __init__(self, index: int, capture: Capture) -> None:
        self._index = index
        self._capture = capture

    @property
    def rate(self) -> float:
        return float(self._capture.get(cv2.CAP_PROP_FPS)) or DEFAULT_RATE

    def pictures(self) -> Iterator[Decode]:
        """Give pictures. Raises SourceLostError when the camera goes away."""
        while True:
            there, image = self._capture.read()
            if not there:
                raise SourceLostError("it gives no more pictures")
            yield partial(_same, cast("Image", image))


@contextmanager
def open_camera(index: int, capture: Capture = cv2.VideoCapture) -> Iterator[Camera]:
    """Open the camera. Raises SourceLostError when there is none, or it is in use."""
    cv2.utils.logging.setLogLevel(
        _ERRORS_ONLY
    )  # it warns of each attempt, and there may be one every half minute for weeks
    opened = capture(index)
    try:
        if not opened.isOpened():
            raise SourceLostError("it is not there, or in use")
        yield Camera(index, opened)
    finally:
        opened.release()


def _same(image: Image) -> Image:
    return image
