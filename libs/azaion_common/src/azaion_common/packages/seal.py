"""Seal a plaintext into a package: header, commitment, encrypted stream, written durably."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from azaion_common.core.durable import replacing
from azaion_common.core.errors import PermanentError
from azaion_common.packages.digest import sha256_of_rest
from azaion_common.packages.header import (
    PACKAGE_ID_BYTES,
    RELEASE_SECRET_BYTES,
    PackageHeader,
    PackageMeta,
    check_plaintext_size,
    encode_header,
)
from azaion_common.packages.keys import ContentKey, derive_keys
from azaion_common.packages.sources import Source, opened, remaining_size_bytes
from azaion_common.packages.stream import Entropy, encrypt_stream


def seal_package(
    source: Source,
    destination: Path,
    *,
    meta: PackageMeta,
    cek: ContentKey,
    plaintext_sha256: str | None = None,
    entropy: Entropy = os.urandom,
) -> PackageHeader:
    """Seal ``source`` under a fresh content key into ``destination``; memory stays flat whatever the size.

    A caller that knows the plaintext's SHA-256 (hex) saves one pass over the source; it is checked either way.
    ``entropy`` exists for test vectors only: two packages from the same random bytes and key break the encryption.

    Raises:
        PermanentError: ``plaintext_changed`` when the source is not what was (or was said to be) hashed,
            ``package_too_large``, ``package_header_invalid``, ``content_key_invalid``, ``source_unreadable``.
        AzaionError: as ``core.durable.replacing``. In every case the destination is as it was before.
    """
    with opened(source) as plaintext, replacing(destination) as sink:
        size_bytes = remaining_size_bytes(plaintext)
        check_plaintext_size(size_bytes)
        draft = PackageHeader(
            meta=meta,
            # The hash stands in the header, so it is needed before the first byte of payload.
            plaintext_sha256=plaintext_sha256 or sha256_of_rest(plaintext),
            plaintext_size_bytes=size_bytes,
            package_id=entropy(PACKAGE_ID_BYTES),
            release_secret=entropy(RELEASE_SECRET_BYTES),
        )
        return _write_package(draft, plaintext, sink, cek=cek, entropy=entropy)


def _write_package(
    draft: PackageHeader, plaintext: BinaryIO, sink: BinaryIO, *, cek: ContentKey, entropy: Entropy
) -> PackageHeader:
    keys = derive_keys(cek, draft)
    header = replace(draft, commitment=keys.commitment)
    sink.write(encode_header(header))
    sealed_sha256 = encrypt_stream(
        plaintext,
        sink,
        key=keys.stream,
        associated_data=header.sha256,
        plaintext_size_bytes=header.plaintext_size_bytes,
        entropy=entropy,
    )
    if sealed_sha256 != header.plaintext_sha256:
        raise PermanentError(
            "plaintext_changed", "what was sealed does not have the SHA-256 that the header states"
        )
    return header
