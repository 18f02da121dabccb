"""Who may release: Ed25519 keys (RFC 8032) as PEM files, and signatures in DSSE's manner.

What is signed is DSSE's pre-authentication encoding, so that a signature made for one kind of statement is none for
another, and no two contents have the same encoding::

    "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body        lengths in decimal ASCII, of bytes
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from azaion_common.core.durable import create_once
from azaion_common.core.errors import PermanentError

KEY_ID_DIGITS = 16
_PUBLIC_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)
_MAX_FILE_BYTES = 64 << 10

TrustedKeys = Mapping[str, Ed25519PublicKey]
"""By key id."""


def encode(statement_type: str, body: bytes) -> bytes:
    """The bytes that are signed for ``body``."""
    kind = statement_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def is_signed_by(key: Ed25519PublicKey, statement_type: str, body: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, encode(statement_type, body))
    except InvalidSignature:
        return False
    return True


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of its 32 bytes: a name, no proof."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:KEY_ID_DIGITS]


def trusting(keys: Iterable[Ed25519PublicKey]) -> TrustedKeys:
    return {key_id(key): key for key in keys}


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """What devices pin: SubjectPublicKeyInfo (RFC 8410) in PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """The private key in ``path``, PKCS 8 in PEM.

    Raises:
        PermanentError: ``signing_key_missing``, ``signing_key_invalid``.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise PermanentError(
            "signing_key_missing", f"cannot read the signing key {path}: {error.strerror}"
        ) from error
    except (ValueError, TypeError) as error:
        raise PermanentError("signing_key_invalid", f"{path} is no private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise PermanentError("signing_key_invalid", f"{path} holds a key of another kind than Ed25519")
    return key


def load_or_create_signing_key(path: Path) -> Ed25519PrivateKey:
    """As ``load_signing_key``; made (mode 0600) where there is none."""
    create_once(path, _new_pem)
    return load_signing_key(path)


def load_trusted_keys(path: Path) -> TrustedKeys:
    """The public keys in ``path``: one or more PEM blocks, so that a new key can be pinned beside the old one.

    Raises:
        PermanentError: ``release_key_missing``, ``release_key_invalid``.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise PermanentError(
            "release_key_missing",
            f"cannot read the public key of releases, {path}: {error.strerror}",
            hint="copy release-signing.pub.pem from where the publisher runs",
        ) from error
    try:
        keys = [load_pem_public_key(block) for block in _PUBLIC_PEM.findall(content)]
    except ValueError as error:
        raise _invalid(path) from error
    ed25519 = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not keys or len(ed25519) != len(keys):
        raise _invalid(path)
    return trusting(ed25519)


def _new_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _invalid(path: Path) -> PermanentError:
    return PermanentError("release_key_invalid", f"{path} holds no Ed25519 public key in PEM")
