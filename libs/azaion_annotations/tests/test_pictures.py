"""What counts as a picture."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from azaion_annotations.pictures import inspect_picture
from azaion_common.core.errors import PermanentError


def refusal(data: bytes) -> str:
    with pytest.raises(PermanentError) as caught:
        inspect_picture(data)
    return caught.value.code


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than any memory holds."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_sound_picture_is_described(picture: Callable[..., bytes], kind: str) -> None:
    """Media type and size are the picture's own, whatever its name says."""
    facts = inspect_picture(picture(300, 200, kind=kind))

    assert (facts.media_type, facts.width, facts.height) == (f"image/{kind.lower()}", 300, 200)


def test_near_duplicates_have_near_hashes(picture: Callable[..., bytes]) -> None:
    """The same scene at another quality and size differs in few of the 64 bits, another scene in many."""
    noise = random.Random(2).randbytes(16 * 12)
    scene = Image.frombytes("L", (16, 12), noise).resize((640, 480), Image.Resampling.BICUBIC)
    other = scene.transpose(Image.Transpose.ROTATE_180)

    first, again, different = (int(hash_of(image, quality), 16) for image, quality in
                               ((scene, 95), (scene.resize((320, 240)), 60), (other, 95)))  # fmt: skip

    assert (first ^ again).bit_count() <= 4
    assert (first ^ different).bit_count() >= 16


def hash_of(image: Image.Image, quality: int) -> str:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return inspect_picture(out.getvalue()).dhash


def test_a_turned_picture_has_the_size_that_is_seen(picture: Callable[..., bytes]) -> None:
    """EXIF orientation swaps width and height, as every viewer and trainer does."""
    exif = Image.Exif()
    exif[0x0112] = 6

    facts = inspect_picture(picture(300, 200, exif=exif))

    assert (facts.width, facts.height) == (200, 300)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_every_cut_of_a_picture_is_refused(picture: Callable[..., bytes], kind: str) -> None:
    """No picture that ends too early passes, wherever it was cut."""
    data = picture(256, 256, kind=kind)

    codes = {refusal(data[:end]) for end in range(1, len(data) * 9 // 10, 37)}

    assert codes <= {"picture_truncated", "picture_unreadable"}
    assert refusal(data[: len(data) // 2]) == "picture_truncated"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "picture_empty"),
        (b"This is a text.", "picture_unreadable"),
        (b"GIF89a" + bytes(100), "picture_unreadable"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "picture_unreadable"),
        (bomb(50_000, 50_000), "picture_too_large"),
        (bomb(12_000, 12_000), "picture_too_large"),
        (bomb(9_000, 9_000), "picture_too_large"),
    ],
)
def test_what_is_no_picture_has_a_reason(data: bytes, code: str) -> None:
    """Each kind of fault has its own code, and a bomb is refused by its header."""
    assert refusal(data) == code


def test_spoilt_pictures_never_crash_the_reader(picture: Callable[..., bytes]) -> None:
    """Changed bytes give a picture or a PermanentError, nothing else."""
    random_of = random.Random(3)
    for kind in ("JPEG", "PNG"):
        data = picture(96, 96, kind=kind)
        for _ in range(150):
            changed = bytearray(data)
            for _ in range(random_of.randrange(1, 6)):
                changed[random_of.randrange(len(changed))] = random_of.randrange(256)
            assert verdict(bytes(changed)) in {
                "sound",
                "picture_truncated",
                "picture_unreadable",
                "picture_too_large",
            }


def verdict(data: bytes) -> str:
    try:
        inspect_picture(data)
    except PermanentError as error:
        return error.code
    return "sound"
