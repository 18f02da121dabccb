"""What a device keeps is sealed under a key of its own, which never leaves it: a copy of the one without the other is noise."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from azaion_common.core.durable import create_once
from azaion_common.core.errors import PermanentError

KEY_BYTES = 32
_NONCE_BYTES = 12
_PURPOSE = b"azaion/device-seal/v1"


@dataclass(frozen=True)
class DeviceSeal:
    """AES-256-GCM under a key file (mode 0600, made at the first use). ``context`` is authenticated with the content.

    A key in a TPM or in OP-TEE fits behind the same two methods.
    """

    path: Path

    def seal(self, content: bytes, context: bytes) -> bytes:
        """``nonce (12) || ciphertext || tag (16)``.

        Raises:
            PermanentError: ``seal_key_invalid``, ``not_writable``.
            TransientError: ``disk_full``, ``store_unavailable``.
        """
        create_once(self.path, lambda: os.urandom(KEY_BYTES))
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher().encrypt(nonce, content, _PURPOSE + context)

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Raises: PermanentError ``seal_broken``, ``seal_key_invalid``."""
        try:
            return self._cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _PURPOSE + context)
        except (InvalidTag, ValueError) as error:
            raise PermanentError(
                "seal_broken", "what this device kept was changed, or sealed by another device"
            ) from error

    def forget(self) -> None:
        """Make everything that was sealed unreadable, for good."""
        self.path.unlink(missing_ok=True)

    def _cipher(self) -> AESGCM:
        try:
            key = self.path.read_bytes()
        except OSError as error:
            raise PermanentError(
                "seal_key_invalid", f"cannot read this device's key {self.path}: {error.strerror}"
            ) from error
        if len(key) != KEY_BYTES:
            raise PermanentError("seal_key_invalid", f"{self.path} is no key of {KEY_BYTES} bytes")
        return AESGCM(key)
