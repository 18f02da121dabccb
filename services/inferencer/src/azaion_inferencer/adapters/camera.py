"""A camera on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count
from threading import Event
from time import monotonic
from typing import cast

import cv2

from azaion_common.errors import PermanentError, TransientError
from azaion_inferencer.ports import Frame, Image

_DEFAULT_RATE = 25.0


class Camera:
    """A camera by its index.

    Raises:
        PermanentError: ``camera_unavailable`` when there is none, or it is in use.
    """

    live = True
    total = None

    def __init__(self, index: int) -> None:
        self._index = index
        self._stopped = Event()
        self._capture = cv2.VideoCapture(index)
        if not self._capture.isOpened():
            raise PermanentError("camera_unavailable", f"camera {index} is not there, or in use")

    @property
    def rate(self) -> float:
        return self._capture.get(cv2.CAP_PROP_FPS) or _DEFAULT_RATE

    def frames(self) -> Iterator[Frame]:
        """Give frames until stopped. Raises TransientError ``camera_lost`` when the camera goes away."""
        started = monotonic()
        try:
            for number in count():
                if self._stopped.is_set():
                    return
                there, image = self._capture.read()
                if not there:
                    raise TransientError("camera_lost", f"camera {self._index} gives no more pictures")
                yield Frame(number, monotonic() - started, partial(_same, cast("Image", image)))
        finally:
            self._capture.release()

    def stop(self) -> None:
        self._stopped.set()


def _same(image: Image) -> Image:
    return image
