"""The payload cipher: Tink's AES256-GCM-HKDF-1MB streaming, byte for byte, over file-like objects with flat memory.

``0x28 || salt[32] || nonce prefix[7] || segment 0 || segment 1 ...``; each segment is AES-256-GCM under a key derived
from the salt and the associated data, with the nonce ``prefix || counter(4) || last segment flag(1)``. The counter
makes moved segments fail, the flag makes a cut or lengthened stream fail.
Format: Tink's wire format documentation, "AES-GCM-HKDF Streaming AEAD".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from azaion_common.core.errors import PermanentError
from azaion_common.packages.digest import OverlappedSha256
from azaion_common.packages.segments import (
    NONCE_PREFIX_SIZE_BYTES,
    SALT_SIZE_BYTES,
    SEGMENT_PLAINTEXT_BYTES,
    SEGMENT_SIZE_BYTES,
    STREAM_HEADER_SIZE_BYTES,
    TAG_SIZE_BYTES,
    segment_count,
    segment_sizes,
)
from azaion_common.packages.sources import read_up_to

Entropy = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """The random part at the start of the payload."""

    salt: bytes
    nonce_prefix: bytes

    @classmethod
    def generate(cls, entropy: Entropy) -> StreamHeader:
        return cls(salt=entropy(SALT_SIZE_BYTES), nonce_prefix=entropy(NONCE_PREFIX_SIZE_BYTES))

    @classmethod
    def read(cls, source: BinaryIO) -> StreamHeader:
        """Raises: PermanentError ``package_truncated`` or ``package_tampered``."""
        data = source.read(STREAM_HEADER_SIZE_BYTES)
        if len(data) < STREAM_HEADER_SIZE_BYTES:
            raise _truncated()
        if data[0] != STREAM_HEADER_SIZE_BYTES:
            raise _tampered("the payload does not start with the length of its header")
        return cls(salt=data[1 : 1 + SALT_SIZE_BYTES], nonce_prefix=data[1 + SALT_SIZE_BYTES :])

    def encode(self) -> bytes:
        return bytes([STREAM_HEADER_SIZE_BYTES]) + self.salt + self.nonce_prefix


class SegmentCipher:
    """AES-256-GCM for the numbered segments of one stream."""

    def __init__(self, key: bytes, associated_data: bytes, header: StreamHeader) -> None:
        derived = HKDF(SHA256(), 32, salt=header.salt, info=associated_data).derive(key)
        self._aead = AESGCM(derived)
        self._nonce_prefix = header.nonce_prefix

    def encrypt(self, plaintext: memoryview, output: memoryview, *, index: int, last: bool) -> None:
        """Encrypt into ``output``, which is 16 bytes longer than ``plaintext``."""
        self._aead.encrypt_into(self._nonce(index, last=last), plaintext, None, output)

    def decrypt(self, ciphertext: memoryview, output: memoryview, *, index: int, last: bool) -> None:
        """Decrypt into ``output``, which is 16 bytes shorter. Raises: PermanentError ``package_tampered``."""
        try:
            self._aead.decrypt_into(self._nonce(index, last=last), ciphertext, None, output)
        except InvalidTag as error:
            raise _tampered(f"segment {index} is not what was sealed") from error

    def _nonce(self, index: int, *, last: bool) -> bytes:
        return self._nonce_prefix + index.to_bytes(4, "big") + bytes([last])


def encrypt_stream(
    source: BinaryIO,
    sink: BinaryIO,
    *,
    key: bytes,
    associated_data: bytes,
    plaintext_size_bytes: int,
    entropy: Entropy = os.urandom,
) -> str:
    """Encrypt exactly ``plaintext_size_bytes`` from ``source``; return the SHA-256 (hex) of what was encrypted.

    Raises:
        PermanentError: ``plaintext_changed`` when the source ends early.
    """
    header = StreamHeader.generate(entropy)
    cipher = SegmentCipher(key, associated_data, header)
    sink.write(header.encode())
    sealed = memoryview(bytearray(SEGMENT_SIZE_BYTES))
    with OverlappedSha256() as sha256:
        for index, plain, last in _segments(plaintext_size_bytes):
            if read_up_to(source, plain) < len(plain):
                raise PermanentError("plaintext_changed", "the file became shorter while it was sealed")
            sha256.update(plain)
            ciphertext = sealed[: len(plain) + TAG_SIZE_BYTES]
            cipher.encrypt(plain, ciphertext, index=index, last=last)
            sink.write(ciphertext)
        return sha256.hexdigest()


def decrypt_stream(
    source: BinaryIO, sink: BinaryIO, *, key: bytes, associated_data: bytes, plaintext_size_bytes: int
) -> str:
    """Decrypt one stream to its end; return the SHA-256 (hex) of the plaintext.

    ``sink`` receives segments as each is authenticated: it must not be used by anyone before this returns.

    Raises:
        PermanentError: ``package_truncated``, ``package_tampered`` or ``package_trailing_bytes``.
    """
    cipher = SegmentCipher(key, associated_data, StreamHeader.read(source))
    sealed = memoryview(bytearray(SEGMENT_SIZE_BYTES))
    with OverlappedSha256() as sha256:
        for index, plain, last in _segments(plaintext_size_bytes):
            ciphertext = sealed[: len(plain) + TAG_SIZE_BYTES]
            if read_up_to(source, ciphertext) < len(ciphertext):
                raise _truncated()
            cipher.decrypt(ciphertext, plain, index=index, last=last)
            sha256.update(plain)
            sink.write(plain)
        if source.read(1):
            raise PermanentError("package_trailing_bytes", "bytes follow the end of the package")
        return sha256.hexdigest()


def _segments(plaintext_size_bytes: int) -> Iterator[tuple[int, memoryview, bool]]:
    """Index, plaintext buffer of the right size, and whether it is the last. Two buffers take turns."""
    count = segment_count(plaintext_size_bytes)
    largest_bytes = min(plaintext_size_bytes, SEGMENT_PLAINTEXT_BYTES)
    buffers = memoryview(bytearray(largest_bytes)), memoryview(bytearray(largest_bytes))
    for index, size_bytes in enumerate(segment_sizes(plaintext_size_bytes)):
        yield index, buffers[index % 2][:size_bytes], index == count - 1


def _truncated() -> PermanentError:
    return PermanentError("package_truncated", "the package ends before its last segment")


def _tampered(problem: str) -> PermanentError:
    return PermanentError("package_tampered", f"the package was changed after it was sealed: {problem}")
