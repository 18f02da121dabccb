"""The chunks of a PNG."""

from __future__ import annotations

import struct

from azaion_annotations.exif import MAX_BYTES, NORMAL, orientation_of
from azaion_annotations.picture_limits import ORDINARY_BYTES, PictureLimits
from azaion_annotations.structure import Structure, unreadable

MAGIC = b"\x89PNG\r\n\x1a\n"

_CHUNK = struct.Struct(">I4s")
_CHECKSUM_BYTES = 4
_HEADER = struct.Struct(">IIBB")
_MAKE_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type."""
_MEMORY_BYTES = {0: 2, 2: 5, 3: 2, 4: 5, 6: 5}
"""Of a pixel in Pillow's hands and its grey copy, by colour type."""
_DEEP = 16


def look(data: bytes, limits: PictureLimits) -> Structure:
    """The structure of a PNG; raises as ``picture_structure.look``, and ``struct.error`` at an early end."""
    width, height, depth, colour = _HEADER.unpack_from(data, len(MAGIC) + _CHUNK.size)
    if colour not in _CHANNELS or not width or not height:
        raise unreadable()
    limits.check_size(width, height)
    deep_grey = colour == 0 and depth == _DEEP
    memory = width * height * (_MEMORY_BYTES[colour] + deep_grey)
    row = 1 + width * depth * _CHANNELS[colour] // 8
    limits.check_cost(memory, unpacked_bytes=height * row, size_bytes=len(data))
    pixels, orientation = _without_the_rest(data, limits)
    return Structure(
        media_type="image/png",
        width=width,
        height=height,
        orientation=orientation,
        memory_bytes=memory,
        is_costly=memory > ORDINARY_BYTES,
        pixels=pixels,
    )


def _without_the_rest(data: bytes, limits: PictureLimits) -> tuple[bytes, int]:
    """The file without the chunks that make no pixels, and the orientation that one of those told."""
    view, orientation, parts, at = memoryview(data), NORMAL, 0, len(MAGIC)
    kept: list[bytes | memoryview] = [MAGIC]
    while at + _CHUNK.size <= len(data):
        parts += 1
        limits.check_parts(parts)
        length, kind = _CHUNK.unpack_from(data, at)
        content, after = at + _CHUNK.size, at + _CHUNK.size + length + _CHECKSUM_BYTES
        if kind in _MAKE_PIXELS:
            kept.append(view[at:after])
        elif kind == b"eXIf" and orientation == NORMAL:
            orientation = orientation_of(data[content : content + min(length, MAX_BYTES)])
        if kind == b"IEND":
            break
        at = after
    return b"".join(kept), orientation
