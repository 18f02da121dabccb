"""Keys of one package: the content key it is sealed with, and what HKDF-SHA256 derives from it.

    prk        = HKDF-Extract(salt = release secret, ikm = content key)
    stream     = HKDF-Expand(prk, "mpkg/v1/stream" || H, 32)     H = SHA-256(header without commitment)
    commitment = HKDF-Expand(prk, "mpkg/v1/commit" || H, 32)

AES-GCM alone does not commit to its key: a ciphertext can be made to open under two keys. The commitment closes that,
and lets a wrong key fail at the header instead of after decrypting.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from azaion_common.core.errors import PermanentError
from azaion_common.packages.header import PackageHeader, encode_uncommitted

CONTENT_KEY_BYTES = 32

ContentKey = bytes | bytearray


@dataclass(frozen=True, slots=True)
class DerivedKeys:
    """The stream key (secret) and the commitment (public) of one header under one content key."""

    stream: bytes = field(repr=False)
    commitment: bytes


def new_content_key() -> bytearray:
    """A fresh random content key; one package, one key. A bytearray, so that the owner can wipe it after use."""
    return bytearray(os.urandom(CONTENT_KEY_BYTES))


def wipe(key: bytearray) -> None:
    """Overwrite a key in place. Best effort: Python may have copied it before."""
    key[:] = bytes(len(key))


def derive_keys(cek: ContentKey, header: PackageHeader) -> DerivedKeys:
    """Raises: PermanentError ``content_key_invalid`` when the key is not 32 bytes."""
    if len(cek) != CONTENT_KEY_BYTES:
        raise PermanentError("content_key_invalid", f"a content key has 32 bytes, this one has {len(cek)}")
    digest = hashlib.sha256(encode_uncommitted(header)).digest()
    prk = HKDF.extract(SHA256(), header.release_secret, bytes(cek))
    return DerivedKeys(
        stream=HKDFExpand(SHA256(), 32, b"mpkg/v1/stream" + digest).derive(prk),
        commitment=HKDFExpand(SHA256(), 32, b"mpkg/v1/commit" + digest).derive(prk),
    )


def committed_keys(cek: ContentKey, header: PackageHeader) -> DerivedKeys:
    """The keys of a header that commits to this content key, compared in constant time.

    Raises:
        PermanentError: ``package_commitment_mismatch`` for another key or a changed header; ``content_key_invalid``.
    """
    keys = derive_keys(cek, header)
    if not hmac.compare_digest(keys.commitment, header.commitment):
        raise PermanentError(
            "package_commitment_mismatch",
            "the content key does not belong to this package, or its header was changed",
        )
    return keys
