"""Whatever is done to a package, it is refused, and no plaintext is handed over."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from azaion_common.core.errors import PermanentError
from azaion_common.packages import (
    PackageMeta,
    extract_package,
    joined_parts,
    new_content_key,
    open_package,
    small_part_size_bytes,
    verify_package,
)
from azaion_common.packages.header import encode_header
from azaion_common.packages.keys import derive_keys

SEGMENT = 1 << 20
Sealed = Any


def refusal_code(package: bytes, cek: bytes) -> str:
    """The code with which a package is refused; fails the test when it opens."""
    with pytest.raises(PermanentError) as refusal:
        open_package(package, cek)
    return refusal.value.code


def bit_flips(data: bytes) -> Iterator[bytes]:
    for position, bit in itertools.product(range(len(data)), range(8)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << bit
        yield bytes(flipped)


def segments_of(sealed: Sealed) -> tuple[bytes, list[bytes]]:
    """What lies before the first segment's ciphertext, and the ciphertext segments."""
    start = sealed.header_size_bytes
    ends = [start + 40, *range(start + SEGMENT, len(sealed.data), SEGMENT), len(sealed.data)]
    return sealed.data[: start + 40], [sealed.data[a:b] for a, b in itertools.pairwise(ends)]


@pytest.fixture(scope="module")
def three_segments(seal: Callable[..., Sealed]) -> Sealed:
    """A package whose plaintext fills two segments and a part of the third."""
    return seal(os.urandom(2 * SEGMENT + 500_000))


def test_every_bit_counts(small_package: Sealed) -> None:
    """Each single flipped bit of a whole package is refused, and the header's meaning is checked before its key."""
    codes = {refusal_code(changed, small_package.cek) for changed in bit_flips(small_package.data)}

    assert codes == {
        "package_header_invalid",
        "package_version_unsupported",
        "package_too_large",
        "package_commitment_mismatch",
        "package_tampered",
    }


def test_every_truncation_is_refused(small_package: Sealed) -> None:
    """A package cut at any byte is refused; past its header it is said to be truncated."""
    data, header_size = small_package.data, small_package.header_size_bytes

    codes = [refusal_code(data[:size], small_package.cek) for size in range(len(data))]

    assert set(codes[:header_size]) == {"package_header_invalid"}
    assert set(codes[header_size:]) == {"package_truncated"}


@pytest.mark.parametrize("tail", [b"\0", bytes(16), bytes(SEGMENT)], ids=["byte", "tag", "segment"])
def test_every_extension_is_refused(small_package: Sealed, tail: bytes) -> None:
    """Bytes after the end are refused before anything is decrypted."""
    assert refusal_code(small_package.data + tail, small_package.cek) == "package_trailing_bytes"


def test_segments_have_one_order(three_segments: Sealed) -> None:
    """Segments swapped, doubled or dropped in any way are refused; only the order they were sealed in opens."""
    start, segments = segments_of(three_segments)
    arrangements = [
        chosen
        for count in range(5)
        for chosen in itertools.product(range(3), repeat=count)
        if chosen != (0, 1, 2)
    ]

    codes = {
        refusal_code(start + b"".join(segments[index] for index in chosen), three_segments.cek)
        for chosen in arrangements
    }

    assert codes == {"package_truncated", "package_trailing_bytes", "package_tampered"}


@pytest.mark.parametrize("position", [0, 1, 40, SEGMENT - 1, SEGMENT, 2 * SEGMENT, -17, -1])
def test_a_flip_in_any_segment_is_refused(three_segments: Sealed, position: int) -> None:
    """One changed byte at the edges of stream header, segments and tags is refused."""
    changed = bytearray(three_segments.data)
    changed[position if position < 0 else three_segments.header_size_bytes + position] ^= 0x01

    assert refusal_code(bytes(changed), three_segments.cek) == "package_tampered"


def test_a_wrong_key_fails_at_the_header(small_package: Sealed) -> None:
    """Another content key is refused by the commitment, even when no payload is there to decrypt wrongly."""
    assert refusal_code(small_package.data, bytes(new_content_key())) == "package_commitment_mismatch"


def test_a_key_of_another_size_is_refused(small_package: Sealed) -> None:
    """A content key that is not 32 bytes is an error of its own."""
    assert refusal_code(small_package.data, bytes(16)) == "content_key_invalid"


def test_a_commitment_does_not_travel(seal: Callable[..., Sealed], small_package: Sealed) -> None:
    """The commitment of another package under the same key is refused."""
    other = seal(b"another model", cek=small_package.cek)
    changed = bytearray(small_package.data)
    changed[small_package.header_size_bytes - 32 : small_package.header_size_bytes] = other.header.commitment

    assert refusal_code(bytes(changed), small_package.cek) == "package_commitment_mismatch"


def test_a_payload_belongs_to_its_header(seal: Callable[..., Sealed], small_package: Sealed) -> None:
    """The payload of another package of the same size under the same key is refused."""
    other = seal(small_package.plaintext, cek=small_package.cek)
    size = small_package.header_size_bytes

    assert (
        refusal_code(small_package.data[:size] + other.data[size:], small_package.cek) == "package_tampered"
    )


def test_a_segment_belongs_to_its_package(seal: Callable[..., Sealed], three_segments: Sealed) -> None:
    """A segment taken from another package of the same plaintext and key is refused."""
    other = seal(three_segments.plaintext, cek=three_segments.cek)
    start, mine = segments_of(three_segments)
    _, theirs = segments_of(other)

    assert refusal_code(start + mine[0] + theirs[1] + mine[2], three_segments.cek) == "package_tampered"


def test_even_the_owner_of_the_key_cannot_rename_a_payload(small_package: Sealed) -> None:
    """A header rewritten with a fresh, valid commitment does not fit the payload sealed under the old one."""
    renamed = replace(small_package.header, meta=PackageMeta("2027.1.1", "fp32-640", "onnx"))
    renamed = replace(renamed, commitment=derive_keys(small_package.cek, renamed).commitment)
    payload = small_package.data[small_package.header_size_bytes :]

    assert refusal_code(encode_header(renamed) + payload, small_package.cek) == "package_tampered"


def test_parts_of_two_releases_do_not_open(seal: Callable[..., Sealed]) -> None:
    """The small part of one release with the big part of another of the same size is refused."""
    one, two = seal(bytes(100_000)), seal(bytes(100_000))
    cut = small_part_size_bytes(one.header)

    with joined_parts(one.data[:cut], two.data[cut:]) as spliced, pytest.raises(PermanentError) as refusal:
        open_package(spliced, one.cek)

    assert refusal.value.code == "package_tampered"


def test_a_refused_package_leaves_no_file(three_segments: Sealed, tmp_path: Path) -> None:
    """When the last segment is wrong nothing of the first ones is left, and an older file stays as it was."""
    destination = tmp_path / "model.onnx"
    destination.write_bytes(b"the model before")
    changed = three_segments.data[:-1] + bytes([three_segments.data[-1] ^ 1])

    with pytest.raises(PermanentError):
        extract_package(changed, destination, three_segments.cek)

    assert destination.read_bytes() == b"the model before"
    assert list(tmp_path.iterdir()) == [destination]


def test_verifying_sees_what_opening_sees(three_segments: Sealed) -> None:
    """A check with the key refuses a changed package without keeping its plaintext."""
    assert verify_package(three_segments.data, three_segments.cek).segments == 3

    changed = three_segments.data[:-1] + bytes([three_segments.data[-1] ^ 1])
    with pytest.raises(PermanentError) as refusal:
        verify_package(changed, three_segments.cek)

    assert refusal.value.code == "package_tampered"
