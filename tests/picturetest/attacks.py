"""Small files that ask for much, each by the way in which it does. All are made here; none takes long to make."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping

from PIL import Image

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
SOI, EOI, SOS = b"\xff\xd8", b"\xff\xd9", b"\xff\xda"
MESSAGE_BYTES = 22 << 20
"""About as much as a message may bring."""


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int, *, depth: int = 8, colour: int = 2, interlaced: bool = False) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def png(
    width: int, height: int, *, before: bytes = b"", after: bytes = b"", depth: int = 8, colour: int = 2
) -> bytes:
    """A black PNG with further chunks before and behind its pixels."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = bytes(1 + (width * depth * channels + 7) // 8)
    palette = chunk(b"PLTE", bytes(3)) if colour == 3 else b""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row * min(1000, height - done)) for done in range(0, height, 1000))
    pixels = chunk(b"IDAT", packed + packer.flush())
    start = PNG_MAGIC + header(width, height, depth=depth, colour=colour) + palette
    return start + before + pixels + after + chunk(b"IEND")


def jpeg(width: int, height: int, mode: str = "L", **save: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height), 0).save(out, "JPEG", **save)
    return out.getvalue()


def segment(kind: int, data: bytes = b"") -> bytes:
    return struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data


def with_segments(*segments: bytes) -> bytes:
    """A sound small JPEG with ``segments`` behind its first marker."""
    sound = jpeg(64, 48)
    return SOI + b"".join(segments) + sound[2:]


def many_scans(number: int, *, side: int = 8000, mode: str = "L") -> bytes:
    """A progressive JPEG that repeats its last scan, some 90 bytes that go over all of it."""
    data = jpeg(side, side, mode, progressive=True)
    return data[:-2] + data[data.rindex(SOS) : -2] * number + EOI


def many_sequential_scans(number: int) -> bytes:
    """A scan for one of three components, again and again: then all of them are kept until the last has come."""
    data = jpeg(8000, 8000, "RGB")
    scan = SOS + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 63, 0) + bytes(64)
    return data[: data.index(SOS)] + scan * number + EOI


def many_tables_between_scans() -> bytes:
    """Not scans, but a table for each that does not come."""
    data = jpeg(64, 48, progressive=True)
    table = data[data.rindex(b"\xff\xc4") : data.rindex(SOS)]
    return data[:-2] + table * (MESSAGE_BYTES // len(table)) + EOI


def other_coding(marker: int, side: int = 8000) -> bytes:
    """The frame of another process (0xC9: arithmetic coding, 0xC3: lossless) on data that are none of it."""
    return jpeg(side, side).replace(b"\xff\xc0", bytes((0xFF, marker)), 1)


def exif_that_points_around() -> bytes:
    """Each of its entries names most of the megabytes of all of its segments."""
    entry = struct.pack(">HHI", 0xC000, 7, 15 << 20) + struct.pack(">I", 8)
    entries = b"".join(struct.pack(">H", tag) + entry[2:] for tag in range(0x8000, 0x8000 + 5000))
    tiff = b"MM\0*" + struct.pack(">IH", 8, 5000) + entries
    first = segment(0xE1, b"Exif\0\0" + tiff)
    return with_segments(first, segment(0xE1, b"Exif\0\0" + bytes(65000)) * (MESSAGE_BYTES // 65010))


def nested_mpo() -> bytes:
    """Pictures behind the picture, an index of 65,535 of them that all lead to its start."""
    entries = struct.pack(">LLLHH", 0, 100, 0, 0, 0) * 4000
    index = b"MM\0*" + struct.pack(">IH", 8, 3)
    index += struct.pack(">HHI4s", 0xB000, 7, 4, b"0100")
    index += struct.pack(">HHII", 0xB001, 4, 1, 65_535)
    index += struct.pack(">HHII", 0xB002, 7, len(entries), 50) + bytes(4) + entries
    whole = with_segments(segment(0xE2, b"MPF\0" + index[:65_000]))
    return whole * 300


def animated() -> bytes:
    """An APNG that promises 200,000 frames of 8000 x 8000."""
    control = chunk(b"acTL", struct.pack(">II", 200_000, 0))
    frame = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 1, 64, 48, 0, 0, 1, 10, 0, 0))
    frame += chunk(b"fdAT", bytes(4) + zlib.compress(bytes(1000)))
    return png(64, 48, before=control, after=frame * 9000)


def bomb_of(kind: bytes, prefix: bytes) -> bytes:
    """Twenty chunks that unpack to 100 MB each."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()
    return png(64, 48, before=chunk(kind, prefix + packed) * 20)


ATTACKS: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "1000 scans": (lambda: many_scans(1000), "picture_too_complex"),
    "200000 scans": (lambda: many_scans(200_000), "picture_too_complex"),
    "scans of one component, sequential": (
        lambda: many_sequential_scans(1000),
        "picture_too_complex",
    ),
    "a million tables between scans": (many_tables_between_scans, "picture_too_complex"),
    "millions of empty segments": (
        lambda: with_segments(segment(0xFE) * (MESSAGE_BYTES // 4)),
        "picture_too_complex",
    ),
    "thousands of tables in front": (
        lambda: with_segments(segment(0xDB, (b"\0" + bytes([1]) * 64) * 1000) * 300),
        "picture_too_complex",
    ),
    "20 MB between markers": (lambda: with_segments(segment(0xFE), bytes(MESSAGE_BYTES)), "sound"),
    "20 MB of fill bytes": (lambda: with_segments(b"\xff" * MESSAGE_BYTES), "sound"),
    "EXIF that points around": (exif_that_points_around, "sound"),
    "nested MPO": (nested_mpo, "sound"),
    "ICC profile in 300 pieces": (
        lambda: with_segments(*(segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(65000)) for _ in range(300))),
        "sound",
    ),
    "a restart marker in each block": (lambda: jpeg(8000, 8000, restart_marker_blocks=1), "sound"),
    "65500 x 1": (lambda: jpeg(65_500, 1), "picture_too_large"),
    "1 x 65500": (lambda: jpeg(1, 65_500), "picture_too_large"),
    "a frame of 65535 x 65535": (
        lambda: jpeg(64, 48).replace(struct.pack(">HH", 48, 64), b"\xff\xff\xff\xff", 1),
        "picture_too_large",
    ),
    "CMYK, progressive": (lambda: jpeg(4500, 4500, "CMYK", progressive=True), "sound"),
    "arithmetic coding": (lambda: other_coding(0xC9), "picture_unreadable"),
    "lossless": (lambda: other_coding(0xC3), "picture_unreadable"),
    "1 x 64000000": (lambda: png(1, 64_000_000), "picture_too_large"),
    "64000000 x 1": (lambda: png(64_000_000, 1), "picture_too_large"),
    "1.9 million empty chunks": (
        lambda: png(64, 48, before=chunk(b"IDAT") * (MESSAGE_BYTES // 12)),
        "picture_too_complex",
    ),
    "1.9 million empty chunks behind": (
        lambda: png(64, 48, after=chunk(b"tEXt") * (MESSAGE_BYTES // 12)),
        "picture_too_complex",
    ),
    "8000 x 8000 RGBA": (lambda: png(8000, 8000, colour=6), "picture_too_large"),
    "8000 x 8000 of 1 bit": (lambda: png(8000, 8000, depth=1, colour=0), "sound"),
    "8000 x 8000 with a palette": (lambda: png(7000, 8000, colour=3), "sound"),
    "a palette of 20 MB": (lambda: png(64, 48, before=chunk(b"PLTE", bytes(MESSAGE_BYTES))), "sound"),
    "animated": (animated, "sound"),
    "a profile that unpacks": (lambda: bomb_of(b"iCCP", b"p\0\0"), "sound"),
    "texts that unpack": (lambda: bomb_of(b"zTXt", b"t\0\0"), "sound"),
    "international texts that unpack": (lambda: bomb_of(b"iTXt", b"t\0\1\0\0\0"), "sound"),
    "truncated": (lambda: png(3000, 3000, colour=6)[:-2000], "picture_truncated"),
}
"""By name: how it is made, and what becomes of it."""
