"""The arithmetic of the payload: how a plaintext of a given size is cut into segments, and how long the result is.

The layout is that of Tink's AES-GCM-HKDF streaming with 1 MiB segments. The stream header counts as part of the
first ciphertext segment, so the first segment carries fewer plaintext bytes than the others.
"""

from __future__ import annotations

from collections.abc import Iterator

SEGMENT_SIZE_BYTES = 1 << 20
TAG_SIZE_BYTES = 16
SALT_SIZE_BYTES = 32
NONCE_PREFIX_SIZE_BYTES = 7
STREAM_HEADER_SIZE_BYTES = 1 + SALT_SIZE_BYTES + NONCE_PREFIX_SIZE_BYTES
SEGMENT_PLAINTEXT_BYTES = SEGMENT_SIZE_BYTES - TAG_SIZE_BYTES
FIRST_SEGMENT_PLAINTEXT_BYTES = SEGMENT_PLAINTEXT_BYTES - STREAM_HEADER_SIZE_BYTES


def segment_count(plaintext_size_bytes: int) -> int:
    """Number of segments; never 0, since an empty plaintext still has one (empty, authenticated) segment."""
    beyond_first = max(0, plaintext_size_bytes - FIRST_SEGMENT_PLAINTEXT_BYTES)
    return 1 + -(-beyond_first // SEGMENT_PLAINTEXT_BYTES)


def segment_sizes(plaintext_size_bytes: int) -> Iterator[int]:
    """Plaintext bytes of each segment in order; only an empty plaintext yields an empty segment."""
    yield min(plaintext_size_bytes, FIRST_SEGMENT_PLAINTEXT_BYTES)
    for offset in range(FIRST_SEGMENT_PLAINTEXT_BYTES, plaintext_size_bytes, SEGMENT_PLAINTEXT_BYTES):
        yield min(plaintext_size_bytes - offset, SEGMENT_PLAINTEXT_BYTES)


def payload_size_bytes(plaintext_size_bytes: int) -> int:
    """Exact length of the encrypted stream, its 40-byte header included."""
    tags = TAG_SIZE_BYTES * segment_count(plaintext_size_bytes)
    return STREAM_HEADER_SIZE_BYTES + plaintext_size_bytes + tags
