"""From the frame that labels were drawn in to the picture as it is seen: EXIF says how a camera was held.

Some tools show the raw frame, others the upright picture, and labels do not say which; the size that they state does,
where the two differ.
"""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from typing import Final

from PIL import Image

from azaion_common.annotations.formats.source import SourceBox

_EXIF_IFD, _TAKEN = 0x8769, 0x9003
_EXIF: Final = b"Exif\0\0"
_HEAD_BYTES = 1 << 16
_ON_THE_SIDE: Final = frozenset({5, 6, 7, 8})
"""Orientations that swap width and height."""


class SizeDiffersError(Exception):
    """The labels are for a picture of another shape."""


def fit_to_picture(
    boxes: tuple[SourceBox, ...], stated: tuple[float, float], size: tuple[int, int], orientation: int
) -> tuple[SourceBox, ...]:
    """``boxes``, relative to a frame of the ``stated`` size, relative to the upright picture of ``size``.

    A frame of another scale with the same shape will do: boxes are relative.

    Raises:
        SizeDiffersError: it is neither the upright picture nor its raw frame.
    """
    if _same_shape(stated, size):
        return boxes
    if orientation in _ON_THE_SIDE and _same_shape(stated, (size[1], size[0])):
        return tuple(_turned(box, orientation) for box in boxes)
    raise SizeDiffersError(
        f"its labels are for {stated[0]:g} x {stated[1]:g} pixels, it has {size[0]} x {size[1]}"
    )


def says_its_frame(stated: tuple[float, float] | None, orientation: int) -> bool:
    """Whether labels of a picture with this EXIF orientation tell if they were drawn in its raw frame or in the upright one.

    Only a size that a turn onto the side would swap does; mirrors and half turns leave it as it is, and so does a square.
    """
    if orientation == 1:
        return True
    return stated is not None and orientation in _ON_THE_SIDE and stated[0] != stated[1]


def date_taken(image: bytes) -> datetime | None:
    """When EXIF says that a sound encoded picture was taken, by the camera's clock; never raises."""
    if _EXIF not in image[:_HEAD_BYTES]:
        return None
    try:
        with Image.open(io.BytesIO(image), formats=("JPEG", "PNG")) as opened:
            return _moment(opened.getexif().get_ifd(_EXIF_IFD).get(_TAKEN))
    except Exception:  # noqa: BLE001 - a decoder on hostile bytes may raise anything; the picture is checked elsewhere
        return None


def _same_shape(stated: tuple[float, float], size: tuple[int, int]) -> bool:
    """Equal ratio of width to height, within the rounding of a picture that was scaled to whole pixels."""
    return abs(stated[0] * size[1] - stated[1] * size[0]) <= max(*stated, *size)


def _turned(box: SourceBox, orientation: int) -> SourceBox:
    cx, cy = {
        5: (box.cy, box.cx),
        6: (1 - box.cy, box.cx),
        7: (1 - box.cy, 1 - box.cx),
        8: (box.cy, 1 - box.cx),
    }[orientation]
    return SourceBox(box.class_name, cx, cy, box.h, box.w)


def _moment(text: object) -> datetime | None:
    match = re.match(
        r"([12][0-9]{3})[:-]([0-9]{2})[:-]([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})", str(text)
    )
    try:
        return datetime(*map(int, match.groups()), tzinfo=UTC) if match else None  # type: ignore[misc,arg-type]
    except ValueError:
        return None
