"""From the frame that labels were drawn in to the picture as it is seen: EXIF says how a camera was held.

Some tools show the raw frame, others the upright picture, and labels do not say which; the size that they state does,
where the two differ.
"""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from PIL import Image

from azaion_annotations.formats.source import SourceBox

_EXIF_IFD, _TAKEN = 0x8769, 0x9003
_EXIF: Final = b"Exif\0\0"
_HEAD_BYTES = 1 << 16
_ON_THE_SIDE: Final = frozenset({5, 6, 7, 8})
"""Orientations that swap width and height."""


class Frame(StrEnum):
    """What labels were drawn in."""

    RAW = "raw frame"
    """The pixels as they are stored."""
    UPRIGHT = "upright picture"
    """The pixels as EXIF says that they are seen."""


class SizeDiffersError(Exception):
    """The labels are for a picture of another shape."""


def fit_to_picture(
    boxes: tuple[SourceBox, ...],
    stated: tuple[float, float],
    size: tuple[int, int],
    orientation: int,
    otherwise: Frame = Frame.UPRIGHT,
) -> tuple[SourceBox, ...]:
    """``boxes``, relative to a frame of the ``stated`` size, relative to the upright picture of ``size``.

    A frame of another scale with the same shape will do: boxes are relative. Where the sizes do not tell, the boxes are
    of the frame ``otherwise``.

    Raises:
        SizeDiffersError: it is neither the upright picture nor its raw frame.
    """
    frames = _frames(stated, size, orientation)
    if not frames:
        raise SizeDiffersError(
            f"its labels are for {stated[0]:g} x {stated[1]:g} pixels, it has {size[0]} x {size[1]}"
        )
    frame = frames[0] if len(frames) == 1 else otherwise
    return tuple(_turned(box, orientation) for box in boxes) if frame is Frame.RAW else boxes


def frame_told(stated: tuple[float, float] | None, size: tuple[int, int], orientation: int) -> Frame | None:
    """The frame that labels of a picture which EXIF turns or mirrors were drawn in; None where they do not tell.

    Only a size that a turn onto the side would swap does; mirrors and half turns leave it as it is, and so does a square.
    """
    frames = _frames(stated, size, orientation) if stated else ()
    return frames[0] if len(frames) == 1 else None


def _frames(stated: tuple[float, float], size: tuple[int, int], orientation: int) -> tuple[Frame, ...]:
    """The frames that have the stated shape."""
    if orientation == 1:
        return (Frame.UPRIGHT,) if _same_shape(stated, size) else ()
    raw = (size[1], size[0]) if orientation in _ON_THE_SIDE else size
    shapes = {Frame.UPRIGHT: size, Frame.RAW: raw}
    return tuple(frame for frame, shape in shapes.items() if _same_shape(stated, shape))


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
        2: (1 - box.cx, box.cy),
        3: (1 - box.cx, 1 - box.cy),
        4: (box.cx, 1 - box.cy),
        5: (box.cy, box.cx),
        6: (1 - box.cy, box.cx),
        7: (1 - box.cy, 1 - box.cx),
        8: (box.cy, 1 - box.cx),
    }[orientation]
    w, h = (box.h, box.w) if orientation in _ON_THE_SIDE else (box.w, box.h)
    return SourceBox(box.class_name, cx, cy, w, h)


def _moment(text: object) -> datetime | None:
    match = re.match(
        r"([12][0-9]{3})[:-]([0-9]{2})[:-]([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})", str(text)
    )
    try:
        return datetime(*map(int, match.groups()), tzinfo=UTC) if match else None  # type: ignore[misc,arg-type]
    except ValueError:
        return None
