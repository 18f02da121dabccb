"""The header: a round trip for all that is valid, a refusal for all else."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azaion_common.core.errors import PermanentError
from azaion_common.packages import PackageHeader, PackageMeta
from azaion_common.packages.header import decode_header, encode_header

NAMES = st.from_regex(r"[!-~]([ -~]{0,30}[!-~])?", fullmatch=True)
HEADERS = st.builds(
    PackageHeader,
    meta=st.builds(
        PackageMeta,
        release=NAMES,
        variant=NAMES,
        format=NAMES,
        hw=st.lists(NAMES, max_size=4).map(tuple),
    ),
    plaintext_sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    plaintext_size_bytes=st.integers(min_value=0, max_value=64 << 30),
    package_id=st.binary(min_size=16, max_size=16),
    release_secret=st.binary(min_size=32, max_size=32),
    commitment=st.binary(min_size=32, max_size=32),
)
HEADER = PackageHeader(
    meta=PackageMeta("r1", "v1", "onnx", ("cpu",)),
    plaintext_sha256="ab" * 32,
    plaintext_size_bytes=1000,
    package_id=bytes(range(16)),
    release_secret=bytes(range(32)),
    commitment=bytes(range(32, 64)),
)
META = json.loads(encode_header(HEADER)[82:-32])


def with_meta(meta: bytes) -> bytes:
    """The header around other meta bytes, its lengths corrected."""
    encoded = bytearray(encode_header(HEADER)[:80]) + struct.pack(">H", len(meta)) + meta + HEADER.commitment
    encoded[12:16] = struct.pack(">I", len(encoded))
    return bytes(encoded)


def with_bytes(offset: int, replacement: bytes) -> bytes:
    encoded = bytearray(encode_header(HEADER))
    encoded[offset : offset + len(replacement)] = replacement
    return bytes(encoded)


def canonical(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def reversed_keys(fields: dict[str, object]) -> bytes:
    return json.dumps(dict(sorted(fields.items(), reverse=True)), separators=(",", ":")).encode()


@given(HEADERS)
def test_every_header_survives_its_bytes(header: PackageHeader) -> None:
    """Encoding and decoding give the same header, at the length that it declares."""
    encoded = encode_header(header)

    assert decode_header(encoded) == header
    assert len(encoded) == struct.unpack_from(">I", encoded, 12)[0] <= 8 << 10


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("empty", b"", "package_header_invalid"),
        ("cut in the fixed part", encode_header(HEADER)[:81], "package_header_invalid"),
        ("cut in the commitment", encode_header(HEADER)[:-1], "package_header_invalid"),
        ("one byte more", encode_header(HEADER) + b"\0", "package_header_invalid"),
        ("text mode", encode_header(HEADER).replace(b"\r\n", b"\n", 1), "package_header_invalid"),
        ("major 2", with_bytes(8, b"\x02"), "package_version_unsupported"),
        ("minor 1", with_bytes(9, b"\x01"), "package_version_unsupported"),
        ("suite 2", with_bytes(10, b"\0\x02"), "package_version_unsupported"),
        ("header length 0", with_bytes(12, bytes(4)), "package_header_invalid"),
        ("header length 4 GiB", with_bytes(12, b"\xff" * 4), "package_header_invalid"),
        ("plaintext length one more", with_bytes(16, struct.pack(">Q", 1001)), "package_header_invalid"),
        ("plaintext of 64 GiB + 1", with_bytes(16, struct.pack(">Q", (64 << 30) + 1)), "package_too_large"),
        ("plaintext of 2^64 - 1", with_bytes(16, b"\xff" * 8), "package_too_large"),
        ("payload length one more", with_bytes(24, struct.pack(">Q", 1057)), "package_header_invalid"),
        ("meta length 5000", with_bytes(80, struct.pack(">H", 5000)), "package_header_invalid"),
        (
            "meta of 5000 bytes",
            with_meta(canonical(META | {"release": "r" * 5000})),
            "package_header_invalid",
        ),
        ("no meta", with_meta(b""), "package_header_invalid"),
        ("meta not UTF-8", with_meta(b"\xff\xfe"), "package_header_invalid"),
        ("meta nested deeply", with_meta(b"[" * 4000), "package_header_invalid"),
        ("meta a list", with_meta(b"[]"), "package_header_invalid"),
        ("meta with spaces", with_meta(json.dumps(META, sort_keys=True).encode()), "package_header_invalid"),
        ("keys in another order", with_meta(reversed_keys(META)), "package_header_invalid"),
        ("duplicate key", with_meta(b'{"format":"x",' + canonical(META)[1:]), "package_header_invalid"),
        (
            "key missing",
            with_meta(canonical({k: v for k, v in META.items() if k != "hw"})),
            "package_header_invalid",
        ),
        ("key too many", with_meta(canonical(META | {"extra": 1})), "package_header_invalid"),
        ("release a number", with_meta(canonical(META | {"release": 1})), "package_header_invalid"),
        ("release empty", with_meta(canonical(META | {"release": ""})), "package_header_invalid"),
        (
            "release with escape codes",
            with_meta(canonical(META | {"release": "\x1b[2J"})),
            "package_header_invalid",
        ),
        (
            "release with a new line",
            with_meta(canonical(META | {"release": "a\n"})),
            "package_header_invalid",
        ),
        ("hw a text", with_meta(canonical(META | {"hw": "cpu"})), "package_header_invalid"),
        ("hw a list of lists", with_meta(canonical(META | {"hw": [["cpu"]]})), "package_header_invalid"),
        ("hw too long", with_meta(canonical(META | {"hw": ["c"] * 65})), "package_header_invalid"),
        (
            "hash in capitals",
            with_meta(canonical(META | {"plaintext_sha256": "AB" * 32})),
            "package_header_invalid",
        ),
        ("hash null", with_meta(canonical(META | {"plaintext_sha256": None})), "package_header_invalid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_header_outside_its_limits_is_refused(name: str, data: bytes, code: str) -> None:
    """Each limit of the format has an input that breaks it, and a code that says so."""
    with pytest.raises(PermanentError) as refusal:
        decode_header(data)

    assert refusal.value.code == code


def test_the_release_secret_is_not_shown() -> None:
    """Printing a header gives the release secret to no log."""
    assert "release_secret" not in repr(HEADER)
    assert HEADER.release_secret.hex() not in repr(HEADER)
