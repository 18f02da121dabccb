"""Turning pictures upright: a phone stores what its sensor saw, and a matrix that says how to hold it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import av
import cv2
import numpy as np

from azaion_inferencer.ports import Image

_MATRIX_ENTRIES = 9


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


def orientation(picture: av.VideoFrame) -> Orientation:
    """How a decoded picture is to be held; the container's word and the stream's both end up at the picture."""
    matrix = picture.side_data.get("DISPLAYMATRIX", None)
    return UPRIGHT if matrix is None else Orientation.of_matrix(bytes(cast("bytes", matrix)))
