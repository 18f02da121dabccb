"""What can be said about a package without its key. The small part alone is enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from azaion_common.packages.header import (
    FIXED_HEADER_BYTES,
    PackageHeader,
    declared_header_size_bytes,
    decode_header,
    encode_header,
)
from azaion_common.packages.segments import segment_count
from azaion_common.packages.sources import Source, opened


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """The public facts of a package: safe to print and log. Nothing vouches for them until the package is opened."""

    package_id: str
    release: str
    variant: str
    format: str
    hw: tuple[str, ...]
    plaintext_size_bytes: int
    plaintext_sha256: str
    header_size_bytes: int
    header_sha256: str
    package_size_bytes: int
    segments: int

    @classmethod
    def of(cls, header: PackageHeader) -> PackageFacts:
        return cls(
            package_id=header.package_id.hex(),
            release=header.meta.release,
            variant=header.meta.variant,
            format=header.meta.format,
            hw=header.meta.hw,
            plaintext_size_bytes=header.plaintext_size_bytes,
            plaintext_sha256=header.plaintext_sha256,
            header_size_bytes=len(encode_header(header)),
            header_sha256=header.sha256.hex(),
            package_size_bytes=header.package_size_bytes,
            segments=segment_count(header.plaintext_size_bytes),
        )


def inspect_package(package: Source) -> PackageFacts:
    """Read the header only.

    Raises:
        PermanentError: ``package_header_invalid``, ``package_version_unsupported``, ``package_too_large``,
            ``source_unreadable``.
    """
    with opened(package) as file:
        return PackageFacts.of(read_header(file))


def read_header(file: BinaryIO) -> PackageHeader:
    """Read one header from the current position, never more than its declared (and limited) length.

    Raises:
        PermanentError: ``package_header_invalid``, ``package_version_unsupported`` or ``package_too_large``.
    """
    fixed = file.read(FIXED_HEADER_BYTES)
    rest_size_bytes = declared_header_size_bytes(fixed) - len(fixed)
    return decode_header(fixed + file.read(rest_size_bytes))
