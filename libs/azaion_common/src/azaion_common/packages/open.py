"""Open a package with its content key. Nothing is handed over before everything is verified.

Checks in order, each failing closed: header and its limits, exact length, commitment, every segment, end of file,
SHA-256 of the plaintext.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from azaion_common.core.durable import replacing
from azaion_common.core.errors import PermanentError
from azaion_common.packages.header import PackageHeader
from azaion_common.packages.inspect import read_header
from azaion_common.packages.keys import ContentKey, committed_keys
from azaion_common.packages.memory import PlaintextMemory
from azaion_common.packages.sources import Source, opened, remaining_size_bytes
from azaion_common.packages.stream import decrypt_stream


@dataclass(frozen=True, slots=True)
class OpenedPackage:
    """Verified plaintext in memory, with the header it belongs to. Use as a context manager."""

    header: PackageHeader
    plaintext: PlaintextMemory

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.plaintext.close()


def open_package(package: Source, cek: ContentKey) -> OpenedPackage:
    """Open into memory; the plaintext touches no disk.

    Raises:
        PermanentError: ``package_header_invalid``, ``package_version_unsupported``, ``package_too_large``,
            ``package_truncated``, ``package_trailing_bytes``, ``package_commitment_mismatch``, ``package_tampered``,
            ``content_key_invalid``, ``source_unreadable``.
    """
    with ExitStack() as on_failure, opened(package) as file:
        memory = on_failure.enter_context(PlaintextMemory())
        header = decrypt_package(file, memory.file, cek)
        memory.freeze()
        on_failure.pop_all()
        return OpenedPackage(header, memory)


def extract_package(package: Source, destination: Path, cek: ContentKey) -> PackageHeader:
    """Open into a file that gets its name only after everything is verified. Raises: as ``open_package``;
    as ``core.durable.replacing``.
    """
    with opened(package) as file, replacing(destination) as sink:
        return decrypt_package(file, sink, cek)


def decrypt_package(file: BinaryIO, sink: BinaryIO, cek: ContentKey) -> PackageHeader:
    """Decrypt the package at the file's position into ``sink``, which nobody may use before this returns.

    Raises: as ``open_package``.
    """
    header = read_sized_header(file)
    keys = committed_keys(cek, header)
    plaintext_sha256 = decrypt_stream(
        file,
        sink,
        key=keys.stream,
        associated_data=header.sha256,
        plaintext_size_bytes=header.plaintext_size_bytes,
    )
    if plaintext_sha256 != header.plaintext_sha256:
        raise PermanentError(
            "package_tampered", "the plaintext does not have the SHA-256 that the header states"
        )
    return header


def read_sized_header(file: BinaryIO) -> PackageHeader:
    """Read the header and check that the file is exactly as long as the header says.

    Raises:
        PermanentError: ``package_truncated``, ``package_trailing_bytes`` or what ``read_header`` raises.
    """
    size_bytes = remaining_size_bytes(file)
    header = read_header(file)
    if size_bytes < header.package_size_bytes:
        missing = header.package_size_bytes - size_bytes
        raise PermanentError("package_truncated", f"{missing} bytes are missing at the end of the package")
    if size_bytes > header.package_size_bytes:
        surplus = size_bytes - header.package_size_bytes
        raise PermanentError("package_trailing_bytes", f"{surplus} bytes follow the end of the package")
    return header
