"""The package header: bytes to a frozen dataclass and back, every limit checked, nothing else done.

All integers are big-endian::

    offset  size  field
    0       8     magic 89 4D 50 4B 47 0D 0A 1A
    8       1+1   version: major 1, minor 0
    10      2     suite 1: AES-256-GCM, HKDF-SHA256, Tink streaming with 1 MiB segments, key commitment
    12      4     header length, commitment included
    16      8     plaintext length
    24      8     payload length
    32      16    package id
    48      32    release secret
    80      2+n   meta: length, then canonical JSON (RFC 8785)
    82+n    32    commitment
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from dataclasses import dataclass, field

import rfc8785

from azaion_common.core.errors import PermanentError
from azaion_common.packages.segments import payload_size_bytes

# The first byte is not ASCII and CR LF SUB follow the name, so a transfer in text mode damages the magic visibly.
MAGIC = b"\x89MPKG\r\n\x1a"
VERSION = (1, 0)
SUITE = 1
PACKAGE_ID_BYTES = 16
RELEASE_SECRET_BYTES = 32
COMMITMENT_BYTES = 32
MAX_HEADER_BYTES = 8 << 10
MAX_META_BYTES = 4 << 10
MAX_PLAINTEXT_BYTES = 64 << 30
MAX_HARDWARE_NAMES = 64

_FIXED = struct.Struct(">8sBBHIQQ16s32sH")
FIXED_HEADER_BYTES = _FIXED.size
MIN_HEADER_BYTES = FIXED_HEADER_BYTES + COMMITMENT_BYTES
# Printable ASCII with no space at either end: these names reach terminals, logs and file listings.
_NAME = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?")
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_META_FIELDS = frozenset({"release", "variant", "format", "hw", "plaintext_sha256"})


@dataclass(frozen=True, slots=True)
class PackageMeta:
    """What the package holds, readable without the key. An empty ``hw`` means any hardware.

    Raises:
        PermanentError: ``package_header_invalid`` for a name that is not 1 to 128 printable ASCII characters.
    """

    release: str
    variant: str
    format: str
    hw: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(len(self.hw) <= MAX_HARDWARE_NAMES, "hw names more than 64 kinds of hardware")
        for name in (self.release, self.variant, self.format, *self.hw):
            _require(_NAME.fullmatch(name), "a name in meta is not 1 to 128 characters of printable ASCII")


@dataclass(frozen=True, slots=True)
class PackageHeader:
    """A whole header. ``release_secret`` is shown by nothing: with it and the content key a package opens.

    Raises:
        PermanentError: ``package_header_invalid`` for a field outside its limits, ``package_too_large`` for more
            than 64 GiB of plaintext.
    """

    meta: PackageMeta
    plaintext_sha256: str
    plaintext_size_bytes: int
    package_id: bytes
    release_secret: bytes = field(repr=False)
    commitment: bytes = bytes(COMMITMENT_BYTES)

    def __post_init__(self) -> None:
        check_plaintext_size(self.plaintext_size_bytes)
        _require(
            _SHA256_HEX.fullmatch(self.plaintext_sha256), "plaintext_sha256 is not 64 lower-case hex digits"
        )
        _require(len(self.package_id) == PACKAGE_ID_BYTES, "the package id is not 16 bytes")
        _require(len(self.release_secret) == RELEASE_SECRET_BYTES, "the release secret is not 32 bytes")
        _require(len(self.commitment) == COMMITMENT_BYTES, "the commitment is not 32 bytes")

    @property
    def payload_size_bytes(self) -> int:
        return payload_size_bytes(self.plaintext_size_bytes)

    @property
    def package_size_bytes(self) -> int:
        return len(encode_header(self)) + self.payload_size_bytes

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the header with its commitment: the associated data of the payload, and the header's name."""
        return hashlib.sha256(encode_header(self)).digest()


def encode_header(header: PackageHeader) -> bytes:
    """The header's bytes, commitment included."""
    return encode_uncommitted(header) + header.commitment


def encode_uncommitted(header: PackageHeader) -> bytes:
    """The header's bytes up to the commitment: what the keys and the commitment are derived from."""
    meta = _encode_meta(header)
    fixed = _FIXED.pack(
        MAGIC,
        *VERSION,
        SUITE,
        FIXED_HEADER_BYTES + len(meta) + COMMITMENT_BYTES,
        header.plaintext_size_bytes,
        header.payload_size_bytes,
        header.package_id,
        header.release_secret,
        len(meta),
    )
    return fixed + meta


def decode_header(data: bytes) -> PackageHeader:
    """Read a header from exactly its bytes.

    Raises:
        PermanentError: ``package_header_invalid``, ``package_version_unsupported`` or ``package_too_large``.
    """
    _require(len(data) == declared_header_size_bytes(data), "the bytes are not one whole header")
    *_, plaintext_size_bytes, _payload, package_id, release_secret, _meta = _FIXED.unpack_from(data)
    meta, plaintext_sha256 = _decode_meta(data[FIXED_HEADER_BYTES:-COMMITMENT_BYTES])
    header = PackageHeader(
        meta=meta,
        plaintext_sha256=plaintext_sha256,
        plaintext_size_bytes=plaintext_size_bytes,
        package_id=package_id,
        release_secret=release_secret,
        commitment=data[-COMMITMENT_BYTES:],
    )
    # One comparison refuses all that a field-by-field reader forgets: a wrong payload length, JSON that is not
    # canonical, duplicate keys, numbers written another way.
    _require(encode_header(header) == data, "the header is not in canonical form")
    return header


def declared_header_size_bytes(data: bytes) -> int:
    """Check the fixed part at the start of ``data`` and return the length that the whole header declares.

    Raises:
        PermanentError: ``package_header_invalid`` or ``package_version_unsupported``.
    """
    _require(len(data) >= FIXED_HEADER_BYTES, "it is shorter than a header")
    magic, major, minor, suite, header_size_bytes, *_, meta_size_bytes = _FIXED.unpack_from(data)
    _require(magic == MAGIC, "it does not start with the package magic")
    if ((major, minor), suite) != (VERSION, SUITE):
        raise PermanentError(
            "package_version_unsupported",
            f"the package has version {major}.{minor}, suite {suite}; this reader knows 1.0, suite {SUITE}",
            hint="a newer azaion may be able to open it",
        )
    _require(meta_size_bytes <= MAX_META_BYTES, "meta is longer than 4 KiB")
    _require(
        header_size_bytes == MIN_HEADER_BYTES + meta_size_bytes, "the header length does not fit its meta"
    )
    return int(header_size_bytes)


def check_plaintext_size(size_bytes: int) -> None:
    """Raises: PermanentError ``package_too_large`` for more than 64 GiB (the format's limit)."""
    if size_bytes > MAX_PLAINTEXT_BYTES:
        raise PermanentError(
            "package_too_large", f"{size_bytes} bytes are more than the 64 GiB that fit a package"
        )


def _encode_meta(header: PackageHeader) -> bytes:
    meta = header.meta
    encoded = rfc8785.dumps(
        {
            "release": meta.release,
            "variant": meta.variant,
            "format": meta.format,
            "hw": list(meta.hw),
            "plaintext_sha256": header.plaintext_sha256,
        }
    )
    _require(len(encoded) <= MAX_META_BYTES, "meta is longer than 4 KiB")
    return encoded


def _decode_meta(encoded: bytes) -> tuple[PackageMeta, str]:
    try:
        fields = json.loads(encoded.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise _invalid("meta is not JSON in ASCII") from error
    _require(
        isinstance(fields, dict) and fields.keys() == _META_FIELDS,
        "meta does not have exactly its five fields",
    )
    hw, plaintext_sha256 = fields.pop("hw"), fields.pop("plaintext_sha256")
    _require(isinstance(hw, list), "hw is not a list")
    texts = (plaintext_sha256, *fields.values(), *hw)
    _require(all(isinstance(text, str) for text in texts), "a field of meta has the wrong type")
    return PackageMeta(**fields, hw=tuple(hw)), plaintext_sha256


def _require(condition: object, problem: str) -> None:
    if not condition:
        raise _invalid(problem)


def _invalid(problem: str) -> PermanentError:
    return PermanentError("package_header_invalid", f"not a readable package header: {problem}")
