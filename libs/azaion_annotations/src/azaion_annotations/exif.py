"""The one thing that a picture's EXIF decides here: which way up it is."""

from __future__ import annotations

import struct

NORMAL = 1
_TAG = 0x0112
_SHORT = 3
MAX_BYTES = 1 << 20
"""More of it is not looked at: a segment of a JPEG has room for 64 KiB."""
_MAX_ENTRIES = 1000


def orientation_of(tiff: bytes) -> int:
    """Orientation 1 to 8 from the first directory of an EXIF block (TIFF, without its ``Exif`` prefix).

    1, the normal one, where it says none or is broken: viewers show such pictures as they are.
    """
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return NORMAL
    try:
        (at,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, at)
        for number in range(min(entries, _MAX_ENTRIES)):
            tag, kind, count, value = struct.unpack_from(f"{order}HHIH", tiff, at + 2 + 12 * number)
            if (tag, kind, count) == (_TAG, _SHORT, 1):
                return int(value) if 1 <= value <= 8 else NORMAL  # noqa: PLR2004 - all that there are
    except struct.error:
        pass
    return NORMAL
