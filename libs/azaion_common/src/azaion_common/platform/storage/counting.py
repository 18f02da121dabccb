"""A ``BlobStore`` that counts what goes through it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

from prometheus_client import Counter, Histogram

from azaion_common.contracts.events.references import BlobRef
from azaion_common.platform.storage import BlobStore

BYTES = Counter("azaion_blob_bytes", "Bytes of blobs written to the store and read from it", ["direction"])
SECONDS = Histogram(
    "azaion_blob_seconds",
    "Time to store or to get one blob",
    ["direction"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 60),
)
_WRITTEN, _READ = "written", "read"


class CountedBlobs:
    """Another store, counted. Bytes that turn out to be there already count as written."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store

    async def put(self, data: bytes, media_type: str) -> BlobRef:
        with SECONDS.labels(_WRITTEN).time():
            return _written(await self._store.put(data, media_type))

    async def put_file(self, path: Path, media_type: str) -> BlobRef:
        with SECONDS.labels(_WRITTEN).time():
            return _written(await self._store.put_file(path, media_type))

    async def get(self, sha256: str) -> bytes:
        with SECONDS.labels(_READ).time():
            data = await self._store.get(sha256)
        BYTES.labels(_READ).inc(len(data))
        return data

    async def fetch(self, sha256: str, destination: Path) -> None:
        with SECONDS.labels(_READ).time():
            await self._store.fetch(sha256, destination)
        BYTES.labels(_READ).inc(destination.stat().st_size)  # noqa: ASYNC240 - of a file just made

    async def size(self, sha256: str) -> int | None:
        return await self._store.size(sha256)

    async def read(self, sha256: str, *, offset: int = 0, chunk_bytes: int = 1 << 20) -> AsyncIterator[bytes]:
        chunks = self._store.read(sha256, offset=offset, chunk_bytes=chunk_bytes)
        try:
            async for chunk in chunks:
                BYTES.labels(_READ).inc(len(chunk))
                yield chunk
        finally:
            if isinstance(chunks, AsyncGenerator):  # ends with its reader, not some time later
                await chunks.aclose()

    async def delete(self, sha256: str) -> None:
        await self._store.delete(sha256)

    def list(self) -> AsyncIterator[BlobRef]:
        return self._store.list()


def _written(reference: BlobRef) -> BlobRef:
    BYTES.labels(_WRITTEN).inc(reference.size_bytes)
    return reference
