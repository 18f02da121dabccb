"""A ``BlobStore`` that has a rotten blob put again, where that is possible, before it says that it is one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path

import structlog

from azaion_common.contracts.events.references import BlobRef
from azaion_common.core.errors import PermanentError
from azaion_common.platform.storage import BlobStore

_within: ContextVar[frozenset[str]] = ContextVar("blobs that are being healed here", default=frozenset())
"""A blob may be met again where it is made of itself: an original is its own first copy."""
Heal = Callable[[str], Awaitable[bool]]
"""Puts the blob with this SHA-256 again; whether it is sound then."""
_log = structlog.get_logger(__name__)


class HealingBlobs:
    """Another store. What could not be healed once is not tried again in this process: it may cost minutes."""

    def __init__(self, store: BlobStore, heal: Heal) -> None:
        self._store = store
        self._heal = heal
        self._lost: set[str] = set()
        self._turn = asyncio.Lock()

    async def put(self, data: bytes, media_type: str) -> BlobRef:
        return await self._store.put(data, media_type)

    async def put_file(self, path: Path, media_type: str) -> BlobRef:
        return await self._store.put_file(path, media_type)

    async def get(self, sha256: str) -> bytes:
        try:
            return await self._store.get(sha256)
        except PermanentError as error:
            if not await self._is_healed(sha256, error):
                raise
        return await self._store.get(sha256)

    async def fetch(self, sha256: str, destination: Path) -> None:
        try:
            return await self._store.fetch(sha256, destination)
        except PermanentError as error:
            if not await self._is_healed(sha256, error):
                raise
        return await self._store.fetch(sha256, destination)

    async def size(self, sha256: str) -> int | None:
        return await self._store.size(sha256)

    def read(self, sha256: str, *, offset: int = 0, chunk_bytes: int = 1 << 20) -> AsyncIterator[bytes]:
        return self._store.read(sha256, offset=offset, chunk_bytes=chunk_bytes)

    async def delete(self, sha256: str) -> None:
        await self._store.delete(sha256)

    def list(self) -> AsyncIterator[BlobRef]:
        return self._store.list()

    async def _is_healed(self, sha256: str, error: PermanentError) -> bool:
        within = _within.get()
        if error.code != "blob_corrupt" or sha256 in self._lost or sha256 in within:
            return False
        token = _within.set(within | {sha256})
        try:
            healed = await (self._heal(sha256) if within else self._in_turn(sha256))
        finally:
            _within.reset(token)
        _log.warning("blob.healed" if healed else "blob.rotten", sha256=sha256)
        return healed

    async def _in_turn(self, sha256: str) -> bool:
        """One after the other, because healing one may heal others; what one takes on its way is part of its turn."""
        async with self._turn:
            if sha256 in self._lost:
                return False
            healed = await self._heal(sha256)
            if not healed:
                self._lost.add(sha256)
            return healed
