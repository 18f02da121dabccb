"""Turning pictures upright: a phone stores what its sensor saw, and a matrix that says how to hold it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import av
import cv2
import numpy as np

from azaion_inferencer.ports import Image

_MATRIX_ENTRIES = 9
_LOOKED_AT_EVERY = 25


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to hold a picture: first its sides are exchanged, then it is mirrored."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    @classmethod
    def of_matrix(cls, matrix: bytes) -> Orientation:
        """Read a display matrix: nine int32, ``a b u  c d v  x y w``, where (p, q) goes to (ap + cq, bp + dq).

        A turn by another angle than a right one becomes the nearest right one.
        """
        entries = np.frombuffer(matrix, np.int32)
        if len(entries) != _MATRIX_ENTRIES:
            return UPRIGHT
        a, b, c, d = (int(entries[at]) for at in (0, 1, 3, 4))
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(transposed=False, mirrored_x=a < 0, mirrored_y=d < 0)
        return cls(transposed=True, mirrored_x=c < 0, mirrored_y=b < 0)

    def applied(self, image: Image) -> Image:
        """The picture (H, W, 3) as it is to be seen; itself where it is upright already."""
        if self.transposed:
            image = cast("Image", cv2.transpose(image))
        if self.mirrored_x or self.mirrored_y:
            axis = -1 if self.mirrored_x and self.mirrored_y else int(self.mirrored_x)
            image = cast("Image", cv2.flip(image, axis))
        return image


UPRIGHT = Orientation()


class Holding:
    """How the pictures of one stream are to be held, from the first to the last.

    Looking at a picture's matrix keeps all of its pixels alive until the next garbage collection (PyAV's side data and
    picture refer to each other): that is done for few pictures, and the angle, which costs nothing, tells of changes.
    """

    def __init__(self) -> None:
        self._orientation = UPRIGHT
        self._angle: int | None = None
        self._since_look = 0

    def of(self, picture: av.VideoFrame) -> Orientation:
        """For the next picture of the stream; the container's word and the stream's both end up at the picture."""
        self._since_look += 1
        due = picture.key_frame and self._since_look >= _LOOKED_AT_EVERY
        if due or picture.rotation != self._angle:
            self._angle, self._since_look = picture.rotation, 0
            matrix = picture.side_data.get("DISPLAYMATRIX", None)
            self._orientation = (
                UPRIGHT if matrix is None else Orientation.of_matrix(bytes(cast("bytes", matrix)))
            )
        return self._orientation
