"""Is this a picture? Decoded whole, at reduced scale, with limits that hold before any pixel is made."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, JpegImagePlugin, PngImagePlugin

from azaion_annotations import picture_process
from azaion_annotations.picture_limits import PictureLimits
from azaion_annotations.picture_structure import look
from azaion_annotations.structure import Structure, truncated, unreadable

__all__ = ["PictureFacts", "describe", "inspect_picture", "look"]

_READERS = {"image/jpeg": JpegImagePlugin.JpegImageFile, "image/png": PngImagePlugin.PngImageFile}
_REDUCTION = 8
_MIRRORING_AXES = 5
"""EXIF orientations from this one on swap width and height."""
_UPRIGHT: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PNG_END = b"IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is known of a sound picture. Width and height are those that a viewer shows (EXIF orientation applied)."""

    media_type: str
    width: int
    height: int
    dhash: str


def inspect_picture(data: bytes, limits: PictureLimits | None = None) -> PictureFacts:
    """Decode a JPEG or PNG completely and describe it; a costly one in a process of its own, which is waited for.

    Raises:
        PermanentError: as ``look``, ``describe`` and ``picture_process.PictureProcess.inspect``.
    """
    limits = limits or PictureLimits()
    structure = look(data, limits)
    if structure.is_costly:
        return PictureFacts(**picture_process.PictureProcess(limits).inspect(data))
    return describe(structure)


def describe(structure: Structure) -> PictureFacts:
    """Decode the pixels of ``structure``, in this thread.

    Raises:
        PermanentError: ``picture_unreadable``, ``picture_truncated``.
        MemoryError: where memory is limited.
    """
    width, height = structure.width, structure.height
    if structure.orientation >= _MIRRORING_AXES:
        width, height = height, width
    return PictureFacts(
        structure.media_type, width, height, _dhash(_decoded(structure), structure.orientation)
    )


def _decoded(structure: Structure) -> Image.Image:
    try:
        image = _READERS[structure.media_type](io.BytesIO(structure.pixels))
        # Decoding at 1/8 in grey still reads every coded byte, at a fraction of the time.
        image.draft("L", (max(structure.width // _REDUCTION, 1), max(structure.height // _REDUCTION, 1)))
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # a decoder on hostile bytes may raise anything
        cut_png = structure.media_type == "image/png" and _PNG_END not in structure.pixels[-64:]
        if "truncated" in str(error) or cut_png:
            raise truncated(structure.pixels) from error
        raise unreadable() from error
    return image


def _dhash(image: Image.Image, orientation: int) -> str:
    """64-bit difference hash: is each pixel of a 9 x 8 grey miniature brighter than its right neighbour?

    After N. Krawetz, "Kind of Like That", 2013. Sixteen hex digits, rows from the top.
    """
    grey = image.convert("L")
    if orientation in _UPRIGHT:
        grey = grey.transpose(_UPRIGHT[orientation])
    pixels = grey.resize((9, 8), Image.Resampling.BOX).tobytes()
    bits = 0
    for row in range(8):
        for column in range(row * 9, row * 9 + 8):
            bits = bits << 1 | (pixels[column] > pixels[column + 1])
    return struct.pack(">Q", bits).hex()
