"""Content keys in transit: who may open a package is decided by who can unwrap its content key.

``FleetKeyWrapper`` serves one fleet that shares one key. Keys of single devices (HPKE, RFC 9180) and key services
fit behind the same ``KeyWrapper``: its context already binds a wrapped key to one package.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from azaion_common.core.durable import create_once, replacing
from azaion_common.core.errors import PermanentError, SetupError
from azaion_common.packages.header import PackageHeader
from azaion_common.packages.inspect import read_header
from azaion_common.packages.keys import CONTENT_KEY_BYTES, ContentKey
from azaion_common.packages.sources import Source, opened

FLEET_KEY_BYTES = 32
# The first byte names the scheme, so that a later one can be told apart.
FLEET_SCHEME = b"\x01"
WRAP_NONCE_BYTES = 12
WRAPPED_KEY_BYTES = len(FLEET_SCHEME) + WRAP_NONCE_BYTES + CONTENT_KEY_BYTES + 16
MAX_WRAPPED_KEY_BYTES = 4 << 10


class KeyWrapper(Protocol):
    """Wraps a content key so that only the right readers get it back, and only for the package it was wrapped for."""

    def wrap(self, cek: ContentKey, context: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytearray:
        """Raises: PermanentError ``key_unwrap_failed``."""
        ...


def wrap_context(header: PackageHeader) -> bytes:
    """``package id || SHA-256(header)``: what a wrapped key is bound to, 48 bytes."""
    return header.package_id + header.sha256


class FleetKeyWrapper:
    """AES-256-GCM under a key that all devices of a fleet hold; the context is authenticated with it.

    A stolen device gives the fleet key away: per-device keys by HPKE come later, behind the same ``KeyWrapper``.
    ``wrapped = 0x01 || nonce[12] || ciphertext[32] || tag[16]``. Random nonces keep well under GCM's limit of 2^32
    messages per key, since there is one message per package.

    Raises:
        PermanentError: ``fleet_key_invalid`` when the key is not 32 bytes.
    """

    def __init__(self, fleet_key: bytes) -> None:
        if len(fleet_key) != FLEET_KEY_BYTES:
            raise PermanentError(
                "fleet_key_invalid", f"a fleet key has 32 bytes, this one has {len(fleet_key)}"
            )
        self._aead = AESGCM(fleet_key)

    def wrap(self, cek: ContentKey, context: bytes) -> bytes:
        nonce = os.urandom(WRAP_NONCE_BYTES)
        return FLEET_SCHEME + nonce + self._aead.encrypt(nonce, bytes(cek), FLEET_SCHEME + context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytearray:
        """Raises: PermanentError ``key_unwrap_failed``."""
        if len(wrapped) != WRAPPED_KEY_BYTES or not wrapped.startswith(FLEET_SCHEME):
            raise _unwrap_failed("it is not a key wrapped for a fleet")
        nonce, sealed = wrapped[1 : 1 + WRAP_NONCE_BYTES], wrapped[1 + WRAP_NONCE_BYTES :]
        try:
            return bytearray(self._aead.decrypt(nonce, sealed, FLEET_SCHEME + context))
        except InvalidTag as error:
            raise _unwrap_failed("wrong fleet key, wrong package, or changed bytes") from error


def unwrap_for(package: Source, wrapper: KeyWrapper, wrapped: bytes) -> bytearray:
    """The content key of a package (its small part is enough).

    Raises:
        PermanentError: ``key_unwrap_failed``, or what reading the header raises.
    """
    with opened(package) as file:
        position = file.tell()
        header = read_header(file)
        file.seek(position)
    return wrapper.unwrap(wrapped, wrap_context(header))


def write_wrapped_key(path: Path, wrapped: bytes) -> None:
    """Raises: as ``core.durable.replacing``."""
    with replacing(path) as sink:
        sink.write(wrapped)


def read_wrapped_key(path: Path) -> bytes:
    """Read a file that holds one wrapped key.

    Raises:
        PermanentError: ``wrapped_key_missing``.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_WRAPPED_KEY_BYTES)
    except OSError as error:
        raise PermanentError(
            "wrapped_key_missing",
            f"cannot read the wrapped key {path}: {error.strerror}",
            hint="name it with --wrapped-key",
        ) from error


def load_fleet_key(path: Path) -> bytes:
    """Read a key file of exactly 32 bytes.

    Raises:
        PermanentError: ``fleet_key_missing`` or ``fleet_key_invalid``.
    """
    try:
        with path.open("rb") as file:
            key = file.read(FLEET_KEY_BYTES + 1)
    except OSError as error:
        raise SetupError("fleet_key_missing", f"cannot read the key {path}: {error.strerror}") from error
    if len(key) != FLEET_KEY_BYTES:
        raise PermanentError(
            "fleet_key_invalid", f"{path} is not a key file: it does not have exactly 32 bytes"
        )
    return key


def load_or_create_fleet_key(path: Path) -> bytes:
    """Read the key file, or create it (mode 0600, random) where there is none. Of two creators at once, one wins and
    both get its key.

    Raises:
        PermanentError: ``fleet_key_missing`` or ``fleet_key_invalid`` for a file that is there but is no key.
        AzaionError: as ``core.durable.replacing``.
    """
    create_once(path, lambda: os.urandom(FLEET_KEY_BYTES))
    return load_fleet_key(path)


def _unwrap_failed(problem: str) -> PermanentError:
    return PermanentError("key_unwrap_failed", f"the content key cannot be unwrapped: {problem}")
