"""``BlobStore`` on S3: ``prefix/ab/cd/<sha256>``, what is stored read back, what is read checked."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import structlog

from azaion_common.contracts.events.references import BlobRef
from azaion_common.core.durable import flush_to_disk, storage_errors, temporary_beside
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.storage.s3.calls import Calls
from azaion_common.platform.storage.s3.deadline import Deadline, deadline_for
from azaion_common.platform.storage.s3.downloads import Downloads
from azaion_common.platform.storage.s3.errors import CHANGED
from azaion_common.platform.storage.s3.inventory import Inventory
from azaion_common.platform.storage.s3.limits import Limits
from azaion_common.platform.storage.s3.location import S3Location
from azaion_common.platform.storage.s3.session import client_for
from azaion_common.platform.storage.s3.uploads import Uploads

CHUNK_BYTES = 1 << 20
_READS_OF_CHANGING, _READS_OF_CORRUPT = 3, 2
_log = structlog.get_logger(__name__)


class S3BlobStore:
    """The production form. Use ``async with S3BlobStore.open(location)``.

    Besides what ``BlobStore`` says, every method may raise ``bucket_missing``, ``store_denied``, ``store_untrusted``
    and ``store_refused`` (PermanentError), and none takes longer than its deadline (``store_unavailable``).
    """

    def __init__(self, client: Any, location: S3Location, limits: Limits, *, verify_writes: bool) -> None:
        calls = Calls(limits)
        self._location = location
        self._limits = limits
        self._verify_writes = verify_writes
        self._uploads = Uploads(client, location.bucket, calls, limits)
        self._downloads = Downloads(client, location.bucket, calls, limits)
        self._inventory = Inventory(client, location.bucket, calls, limits)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, location: S3Location, *, limits: Limits | None = None, verify_writes: bool = True
    ) -> AsyncIterator[S3BlobStore]:
        """One client for as long as the block runs; it connects at the first use.

        Args:
            location: bucket, server and credentials.
            limits: times, tries and sizes.
            verify_writes: read back all that was stored and compare its hash. Otherwise only sizes are compared.

        Raises:
            PermanentError: ``blobs_url_invalid``.
        """
        chosen = limits or Limits()
        async with client_for(location, chosen) as client:
            store = cls(client, location, chosen, verify_writes=verify_writes)
            try:
                yield store
            finally:
                await store._uploads.close()

    async def put(self, data: bytes, media_type: str) -> BlobRef:
        """Raises as ``BlobStore``, and TransientError ``blob_corrupt`` when the server does not give it back."""
        sha256 = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        blob = BlobRef(sha256=sha256, size_bytes=len(data), media_type=media_type)
        await self._store(blob, io.BytesIO(data))
        return blob

    async def put_file(self, path: Path, media_type: str) -> BlobRef:
        """As ``put``, and TransientError ``file_changed`` when somebody writes to the file."""
        with storage_errors(path):
            with path.open("rb") as file:  # quick; a thread would leave it open when cancelled
                sha256, size_bytes = await asyncio.to_thread(_digest, file)
                blob = BlobRef(sha256=sha256, size_bytes=size_bytes, media_type=media_type)
                await self._store(blob, file)
            return blob

    async def _store(self, blob: BlobRef, file: BinaryIO) -> None:
        key = self._location.key(blob.sha256)
        async with self._deadline(f"store blob {blob.sha256}") as deadline:
            deadline.allow(2 * blob.size_bytes)
            is_big = blob.size_bytes > self._limits.part_bytes
            is_there = is_big and await self._inventory.size(key, deadline) is not None
            if is_there and await self._is_whole(key, blob, deadline):
                return
            for replace in (is_there, True):
                await self._uploads.send(key, blob, file, deadline, replace=replace)
                if await self._is_whole(key, blob, deadline, just_written=True):
                    return
                _log.warning("blobs.other_bytes_in_store", sha256=blob.sha256, replaced=replace)
        raise TransientError(
            "blob_corrupt",
            f"the store does not hold blob {blob.sha256} as it was sent",
            hint="the server loses or alters what it acknowledges; look at its disks and at what is in between",
        )

    async def _is_whole(
        self, key: str, blob: BlobRef, deadline: Deadline, *, just_written: bool = False
    ) -> bool:
        if not self._verify_writes:
            return await self._inventory.size(key, deadline, just_written=just_written) == blob.size_bytes
        return await self._copy(key, deadline, just_written=just_written) == blob.sha256

    async def get(self, sha256: str) -> bytes:
        buffer = io.BytesIO()
        async with self._deadline(f"read blob {sha256}") as deadline:
            await self._read_checked(sha256, buffer, deadline)
        return buffer.getvalue()

    async def fetch(self, sha256: str, destination: Path) -> None:
        with storage_errors(destination), temporary_beside(destination, mode=0o444) as (temporary, file):
            async with self._deadline(f"fetch blob {sha256}") as deadline:
                await self._read_checked(sha256, file, deadline)
            await asyncio.to_thread(flush_to_disk, file)
            temporary.replace(destination)

    async def _read_checked(self, sha256: str, file: BinaryIO, deadline: Deadline) -> None:
        for _ in range(_READS_OF_CORRUPT):  # bytes may also change on their way, and that passes
            if await self._copy(self._location.key(sha256), deadline, file) == sha256:
                return
        raise PermanentError("blob_corrupt", f"blob {sha256} does not have the bytes that its name says")

    async def _copy(
        self, key: str, deadline: Deadline, file: BinaryIO | None = None, *, just_written: bool = False
    ) -> str:
        """Read all of one version of the object into ``file``, if any; its SHA-256."""
        for _ in range(_READS_OF_CHANGING - 1):
            try:
                return await self._downloads.copy(key, deadline, file, just_written=just_written)
            except TransientError as error:
                if error.code != CHANGED:
                    raise
        return await self._downloads.copy(key, deadline, file, just_written=just_written)

    async def size(self, sha256: str) -> int | None:
        async with self._deadline(f"look for blob {sha256}") as deadline:
            return await self._inventory.size(self._location.key(sha256), deadline)

    async def read(
        self, sha256: str, *, offset: int = 0, chunk_bytes: int = CHUNK_BYTES
    ) -> AsyncIterator[bytes]:
        key, etag = self._location.key(sha256), None
        while True:
            # A deadline for each range: the time that the reader takes is its own.
            async with self._deadline(f"read blob {sha256}") as deadline:
                piece = await self._downloads.piece(key, offset, deadline, etag=etag)
            view = memoryview(piece.data)
            for start in range(0, len(view), chunk_bytes):
                yield bytes(view[start : start + chunk_bytes])
            if piece.is_last:
                return
            offset, etag = piece.next, piece.etag

    async def delete(self, sha256: str) -> None:
        async with self._deadline(f"delete blob {sha256}") as deadline:
            await self._inventory.remove(self._location.key(sha256), deadline)

    async def list(self) -> AsyncIterator[BlobRef]:
        entries = self._inventory.entries(self._location.start, lambda: self._deadline("list blobs"))
        async with aclosing(entries):
            async for key, size_bytes in entries:
                sha256 = key.rpartition("/")[2]
                if key == self._location.key(sha256):  # others may keep other things there
                    yield BlobRef(sha256=sha256, size_bytes=size_bytes, media_type="application/octet-stream")

    def _deadline(self, doing: str) -> AbstractAsyncContextManager[Deadline]:
        return deadline_for(doing, self._limits)


def _digest(file: BufferedReader) -> tuple[str, int]:
    """SHA-256 and size of what is in ``file``."""
    return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
