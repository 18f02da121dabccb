"""The segments of a JPEG, its frame and its scans.

A JPEG whose first scan holds all of it is decoded in one go, row by row. Any other (progressive, or a scan for each
component) is kept as coefficients until its last scan has come, and each scan goes over all that it is about: a few
bytes, if they like. So memory follows from the size, and time from the size times the number of scans.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil

from azaion_annotations.exif import NORMAL, orientation_of
from azaion_annotations.picture_limits import ORDINARY_BYTES, PictureLimits
from azaion_annotations.structure import Structure, truncated, unreadable
from azaion_common.core.errors import PermanentError

MAGIC = b"\xff\xd8\xff"

_START = b"\xff\xd8"
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER_BEHIND_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_EOI, _SOS, _APP0, _APP1, _APP14 = 0xD9, 0xDA, 0xE0, 0xE1, 0xEE
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
"""TEM, RST, and SOI, which may not be there twice."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = frozenset({0xC0, 0xC1})
_PROGRESSIVE = 0xC2
_MAX_TABLE_BYTES = 256 << 10
"""Quantisation and Huffman tables take some hundred bytes; Pillow reads them slowly."""
_LENGTH_BYTES = 2
_BLOCK_PIXELS = 64
_BLOCK_BYTES = 128
"""Coefficients of 8 x 8 pixels."""
_ORDINARY_BLOCKS = 10_000_000
"""Of all scans together; each costs up to 100 ns."""


def look(data: bytes, limits: PictureLimits) -> Structure:
    """The structure of a JPEG; raises as ``picture_structure.look``, and ``struct.error`` or ``IndexError`` at an
    early end.
    """
    header, scans = _Header(), _Scans()
    for segment in _segments(data, limits):
        if segment.kind == _SOS:
            scans.add(segment, header.frame)
            limits.check_scans(scans.number)
            if scans.is_whole:
                break  # decoders look no further
        elif not scans.number:
            header.add(segment, limits)
    if header.frame is None or not scans.number:
        raise truncated(data)
    return _judged(data, header, header.frame, scans, limits)


def _judged(data: bytes, header: _Header, frame: _Frame, scans: _Scans, limits: PictureLimits) -> Structure:
    is_common = frame.kind in _SEQUENTIAL or frame.kind == _PROGRESSIVE  # not arithmetic, not lossless
    coefficients = 0 if scans.is_whole else _BLOCK_BYTES * sum(frame.blocks.values())
    pixels = frame.width * frame.height * len(frame.blocks)
    memory = coefficients + (ceil(pixels / _BLOCK_PIXELS) if is_common else pixels)
    limits.check_cost(memory, unpacked_bytes=coefficients, size_bytes=len(data))
    return Structure(
        media_type="image/jpeg",
        width=frame.width,
        height=frame.height,
        orientation=header.orientation,
        memory_bytes=memory,
        is_costly=not is_common or memory > ORDINARY_BYTES or scans.blocks > _ORDINARY_BLOCKS,
        pixels=_without_rest(data, header, scans.begin),
    )


def _without_rest(data: bytes, header: _Header, first_scan: int) -> bytes:
    """Copied only where there is something to leave out."""
    if len(_START) + header.kept_bytes == first_scan:
        return data
    return b"".join([_START, *header.kept, memoryview(data)[first_scan:]])


@dataclass(frozen=True, slots=True)
class _Segment:
    """A marker and what belongs to it, without the coded data behind a scan's header."""

    kind: int
    at: int
    whole: bytes = field(repr=False)

    @property
    def content(self) -> bytes:
        return self.whole[2 + _LENGTH_BYTES :]


def _segments(data: bytes, limits: PictureLimits) -> Iterator[_Segment]:
    """All of them, up to the end of the picture (others may follow it: previews, and the pictures of an MPO)."""
    parts, found = 0, _MARKER.search(data, len(_START))
    while found is not None:
        parts += 1
        limits.check_parts(parts)
        at, kind = found.start(), data[found.start() + 1]
        if kind == _EOI:
            return
        end = at + 2
        if kind not in _WITHOUT_LENGTH:
            (length,) = struct.unpack_from(">H", data, end)
            if length < _LENGTH_BYTES:
                raise unreadable()
            end += length
            yield _Segment(kind, at, data[at:end])
        found = (_MARKER_BEHIND_SCAN if kind == _SOS else _MARKER).search(data, end)


@dataclass(frozen=True, slots=True)
class _Frame:
    kind: int
    width: int
    height: int
    blocks: Mapping[int, int]
    """Number of 8 x 8 blocks of each component, by its name."""


@dataclass(slots=True)
class _Header:
    """What stands before the first scan."""

    frame: _Frame | None = None
    orientation: int = NORMAL
    kept: list[bytes] = field(default_factory=list)
    kept_bytes: int = 0

    def add(self, segment: _Segment, limits: PictureLimits) -> None:
        if segment.kind in _FRAMES:
            if self.frame is not None:
                raise unreadable()
            self.frame = _frame(segment, limits)
        elif segment.kind == _APP1 and self.orientation == NORMAL and segment.content[:6] == b"Exif\0\0":
            self.orientation = orientation_of(segment.content[6:])
        if _makes_pixels(segment):
            self.kept.append(segment.whole)
            self.kept_bytes += len(segment.whole)
            if self.kept_bytes > _MAX_TABLE_BYTES:
                raise PermanentError(
                    "picture_too_complex", f"the picture has more than {_MAX_TABLE_BYTES} bytes of tables"
                )


def _makes_pixels(segment: _Segment) -> bool:
    if segment.kind == _APP0:
        return segment.content[:5] == b"JFIF\0"
    if segment.kind == _APP14:  # says how colours are coded
        return segment.content[:5] == b"Adobe"
    return segment.kind < _APP0


def _frame(segment: _Segment, limits: PictureLimits) -> _Frame:
    content = segment.content
    _, height, width, count = struct.unpack_from(">BHHB", content)
    factors = {
        name: (both >> 4, both & 15)
        for name, both, _ in (struct.unpack_from("BBB", content, 6 + 3 * each) for each in range(count))
    }
    if not width or not height or not factors or not all(h and v for h, v in factors.values()):
        raise unreadable()
    limits.check_size(width, height)
    most_h, most_v = max(h for h, _ in factors.values()), max(v for _, v in factors.values())
    blocks = {
        name: ceil(width * h / most_h / 8) * ceil(height * v / most_v / 8) for name, (h, v) in factors.items()
    }
    return _Frame(segment.kind, width, height, blocks)


@dataclass(slots=True)
class _Scans:
    """The passes over the picture."""

    number: int = 0
    begin: int = 0
    """Of the first one, in the file."""
    blocks: int = 0
    """That they go over, together."""
    is_whole: bool = False
    """The first one holds everything."""

    def add(self, segment: _Segment, frame: _Frame | None) -> None:
        if frame is None:
            raise unreadable()
        content = segment.content
        names = [content[1 + 2 * each] for each in range(content[0])]
        self.number += 1
        self.blocks += sum(frame.blocks.get(name, 0) for name in names)
        if self.number == 1:
            self.begin = segment.at
            self.is_whole = frame.kind in _SEQUENTIAL and len(names) == len(frame.blocks)
