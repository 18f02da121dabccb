"""What a JPEG or PNG says of itself, read without decoding: its size, and what decoding will cost.

The time that this takes is bounded by the limits and the number of bytes. What does not make pixels (EXIF, colour
profiles, texts, thumbnails, the frames of an animation) is left out of what a decoder gets to see: decoders parse it
with less care than pixels, and some of it unpacks.
"""

from __future__ import annotations

import struct

from azaion_annotations import jpeg_structure, png_structure
from azaion_annotations.picture_limits import PictureLimits
from azaion_annotations.structure import Structure, truncated, unreadable
from azaion_common.core.errors import PermanentError


def look(data: bytes, limits: PictureLimits) -> Structure:
    """Read the structure of ``data``.

    Raises:
        PermanentError: ``picture_empty``, ``picture_unreadable``, ``picture_truncated``, ``picture_too_large``,
            ``picture_too_complex``.
    """
    if not data:
        raise PermanentError("picture_empty", "the picture has 0 bytes")
    try:
        if data.startswith(jpeg_structure.MAGIC):
            return jpeg_structure.look(data, limits)
        if data.startswith(png_structure.MAGIC):
            return png_structure.look(data, limits)
    except (struct.error, IndexError) as error:  # the end came before what was to be read
        raise truncated(data) from error
    raise unreadable()
