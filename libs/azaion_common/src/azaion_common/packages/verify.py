"""Check a package without keeping its plaintext: its structure without the key, everything with it."""

from __future__ import annotations

import os
from pathlib import Path

from azaion_common.packages.inspect import PackageFacts
from azaion_common.packages.keys import ContentKey
from azaion_common.packages.open import decrypt_package, read_sized_header
from azaion_common.packages.sources import Source, opened
from azaion_common.packages.stream import StreamHeader


def verify_structure(package: Source) -> PackageFacts:
    """Header, exact length and start of the payload. A changed payload byte is *not* seen without the key.

    Raises:
        PermanentError: ``package_header_invalid``, ``package_version_unsupported``, ``package_too_large``,
            ``package_truncated``, ``package_trailing_bytes``, ``package_tampered``, ``source_unreadable``.
    """
    with opened(package) as file:
        header = read_sized_header(file)
        StreamHeader.read(file)
        return PackageFacts.of(header)


def verify_package(package: Source, cek: ContentKey) -> PackageFacts:
    """Everything that opening checks, the plaintext thrown away segment by segment. Raises: as ``open_package``."""
    with opened(package) as file, Path(os.devnull).open("wb") as nowhere:
        return PackageFacts.of(decrypt_package(file, nowhere, cek))
