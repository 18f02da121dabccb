"""``BlobStore``: bytes under their SHA-256. Embedded it is a folder, in production S3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from azaion_common.contracts.events.references import BlobRef


class BlobStore(Protocol):
    """Content-addressed and immutable. What is there is whole: a name never shows other bytes than it says."""

    async def put(self, data: bytes, media_type: str) -> BlobRef:
        """Store ``data``; durable when this returns. Storing the same bytes again is cheap and harmless, and mends a
        blob that has rotted.

        Raises:
            TransientError: ``disk_full``, ``store_unavailable``.
        """

    async def put_file(self, path: Path, media_type: str) -> BlobRef:
        """As ``put``, for a file of any size, with flat memory."""

    async def get(self, sha256: str) -> bytes:
        """The bytes, hash checked.

        Raises:
            PermanentError: ``blob_missing``, ``blob_corrupt``.
            TransientError: ``store_unavailable``.
        """

    async def fetch(self, sha256: str, destination: Path) -> None:
        """Make the blob appear as the file ``destination`` (replacing it), hash checked, without a copy where that is
        possible.

        The file must not be written to. Raises as ``get``.
        """

    async def size(self, sha256: str) -> int | None:
        """Size in bytes, None when absent."""

    def read(self, sha256: str, *, offset: int = 0, chunk_bytes: int = 1 << 20) -> AsyncIterator[bytes]:
        """The bytes from ``offset`` on, in chunks (to resume a download). Hashes are the caller's to check."""

    async def delete(self, sha256: str) -> None:
        """Remove the blob; a missing one is fine."""

    def list(self) -> AsyncIterator[BlobRef]:
        """Every blob; the media type is not kept and reads ``application/octet-stream``."""
