"""What a publication needs from outside, besides the blob store."""

from __future__ import annotations

from typing import Protocol


class SmallParts(Protocol):
    """Where the small halves go. What is stored under a name never changes."""

    async def put(self, name: str, data: bytes) -> str:
        """Store ``data``; the same bytes again are fine. Returns the location, ``folder/name``.

        Raises:
            PermanentError: ``auth_denied``, ``upload_conflict``, ``upload_refused``.
            TransientError: ``api_unavailable``, ``credentials_missing``.
        """
        ...

    async def get(self, name: str, *, max_bytes: int) -> bytes:
        """What is stored, read from the server.

        Raises:
            PermanentError: ``auth_denied``, ``part_missing``, ``part_too_long``.
            TransientError: ``api_unavailable``, ``credentials_missing``.
        """
        ...
