"""``BlobStore`` as a folder: ``ab/cd/<sha256>``, each blob whole or absent."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import math
import os
import shutil
import time
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO
from uuid import uuid4

import structlog

from azaion_common.contracts.events.references import BlobRef
from azaion_common.core.durable import Sync, make_folder, new_folders, storage_errors, syncing
from azaion_common.core.errors import PermanentError
from azaion_common.core.in_groups import InGroups

CHUNK_BYTES = 1 << 20
_log = structlog.get_logger(__name__)
STALE_TEMPORARY_S = 3600.0
"""A temporary file that nobody has written to for so long is nobody's, whoever else has the store open."""
WRITTEN_FOR_S = 60.0
WRITTEN_REMEMBERED = 1024


class FileBlobStore:
    """The embedded form. Hard links are its way to hand out files without copying them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._temporary = root / "tmp"
        self._arriving = InGroups(self._put_group)
        self._presence: _Presence | None = None
        self._written = _Written()

    @classmethod
    def open(cls, root: Path) -> FileBlobStore:
        """The store in ``root``, made when missing; leftovers of writers that died are swept away, where that is allowed.

        Raises:
            TransientError: ``disk_full``. SetupError: ``not_writable``.
        """
        store = cls(root)
        if root.is_dir() and not os.access(root, os.W_OK):
            return store
        with storage_errors(root):
            make_folder(store._temporary)
            store._presence = _Presence(store._temporary)
            _sweep(store._temporary, store._presence)
        return store

    def close(self) -> None:
        """Let others sweep: this store writes no more."""
        if self._presence is not None:
            self._presence.close()

    def path(self, sha256: str) -> Path:
        """Where a blob lies or would lie."""
        return self._root / sha256[:2] / sha256[2:4] / sha256

    async def put(self, data: bytes, media_type: str) -> BlobRef:
        return await self._arriving.put((data, media_type))

    def _put_group(self, group: Sequence[tuple[bytes, str]]) -> list[BlobRef]:
        references = [_reference(data, media_type) for data, media_type in group]
        new = {
            reference.sha256: data
            for reference, (data, _) in zip(references, group, strict=True)
            if not self._keep(reference.sha256)
        }
        if new:
            self._store(new)
        return references

    def _store(self, new: Mapping[str, bytes]) -> None:
        """The bytes are durable before their names are."""
        staged = {sha256: self._temporary / uuid4().hex for sha256 in new}
        with storage_errors(self._temporary), syncing(self._root) as sync:
            try:
                for sha256, temporary in staged.items():
                    with _new_file(temporary) as file:
                        file.write(new[sha256])
                sync(staged.values())
                self._admit(staged, sync)
            finally:
                for temporary in staged.values():
                    temporary.unlink(missing_ok=True)

    async def put_file(self, path: Path, media_type: str) -> BlobRef:
        return await asyncio.to_thread(self._put_file, path, media_type)

    def _put_file(self, path: Path, media_type: str) -> BlobRef:
        temporary = self._temporary / uuid4().hex
        with storage_errors(temporary), syncing(self._root) as sync:
            try:
                sha256, size_bytes = _copy_hashed(path, temporary)
                reference = BlobRef(sha256=sha256, size_bytes=size_bytes, media_type=media_type)
                if not self._keep(sha256):
                    sync([temporary])
                    self._admit({sha256: temporary}, sync)
            finally:
                temporary.unlink(missing_ok=True)
        return reference

    def _keep(self, sha256: str) -> bool:
        """Whether the blob is there with its own bytes; then it is as young as if it had been put just now."""
        path = self.path(sha256)
        if not path.exists():
            return False
        with _locked(self._root, fcntl.LOCK_SH):
            try:
                os.utime(path)
            except FileNotFoundError:
                return False
        if is_sound(path):
            return True
        _log.warning("blob.rotten_replaced", sha256=sha256, store=str(self._root))
        return False

    def remove_older(self, sha256: str, written_before_s: float) -> bool:
        """Remove the blob if it was put last before ``written_before_s`` (Unix time); whether it was.

        Nobody who puts it meanwhile loses it: they find it young, or store it anew.
        """
        path = self.path(sha256)
        with _locked(self._root, fcntl.LOCK_EX):
            if not path.exists() or path.stat().st_mtime >= written_before_s:
                return False
            path.unlink()
        return True

    def _admit(self, staged: dict[str, Path], sync: Sync) -> None:
        """Give durable temporary files their final names, durably; takes those that have theirs out of ``staged``."""
        changed: set[Path] = set()
        for sha256 in list(staged):
            final = self.path(sha256)
            changed |= new_folders(final.parent) | {final.parent}
            self._written.note(sha256, staged[sha256])
            staged[sha256].replace(final)
            del staged[sha256]
        sync(changed)

    async def get(self, sha256: str) -> bytes:
        data = await asyncio.to_thread(self._read_whole, sha256)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _corrupt(sha256)
        return data

    def _read_whole(self, sha256: str) -> bytes:
        try:
            return self.path(sha256).read_bytes()
        except FileNotFoundError:
            raise _missing(sha256) from None

    async def fetch(self, sha256: str, destination: Path) -> None:
        await asyncio.to_thread(self._fetch, sha256, destination)

    def _fetch(self, sha256: str, destination: Path) -> None:
        temporary = destination.with_name(f".{destination.name}.{uuid4().hex}.tmp")
        with storage_errors(destination):
            try:
                _link_or_copy(self.path(sha256), temporary)
                if not (self._written.holds(sha256, temporary) or is_sound(temporary, sha256)):
                    raise _corrupt(sha256)
                temporary.replace(destination)
            except FileNotFoundError:
                if self.path(sha256).exists():
                    raise
                raise _missing(sha256) from None
            finally:
                temporary.unlink(missing_ok=True)

    async def size(self, sha256: str) -> int | None:
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    async def read(
        self, sha256: str, *, offset: int = 0, chunk_bytes: int = CHUNK_BYTES
    ) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread(self.path(sha256).open, "rb")
        except FileNotFoundError:
            raise _missing(sha256) from None
        with file:
            file.seek(offset)
            while chunk := await asyncio.to_thread(file.read, chunk_bytes):
                yield chunk

    async def delete(self, sha256: str) -> None:
        await asyncio.to_thread(self.path(sha256).unlink, missing_ok=True)

    async def list(self) -> AsyncIterator[BlobRef]:
        for path in await asyncio.to_thread(lambda: sorted(self._root.glob("??/??/*"))):
            yield BlobRef(
                sha256=path.name, size_bytes=path.stat().st_size, media_type="application/octet-stream"
            )


class _Written:
    """A cache of blobs that this process wrote recently. Reading one back now would hit the page cache, and could not
    detect a fault of the disk.
    """

    def __init__(self) -> None:
        self._traces: OrderedDict[str, tuple[float, tuple[int, ...]]] = OrderedDict()
        self._lock = Lock()

    def note(self, sha256: str, path: Path) -> None:
        """``path`` holds the blob, written just now."""
        trace = _trace(path)
        with self._lock:
            self._traces[sha256] = (time.monotonic(), trace)
            self._traces.move_to_end(sha256)
            if len(self._traces) > WRITTEN_REMEMBERED:
                self._traces.popitem(last=False)

    def holds(self, sha256: str, path: Path) -> bool:
        """Whether ``path`` is the very file that was noted, a short time ago, and nobody wrote to it since."""
        with self._lock:
            written_s, trace = self._traces.get(sha256, (-math.inf, ()))
        return time.monotonic() - written_s < WRITTEN_FOR_S and _trace(path) == trace


def _trace(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class _Presence:
    """A lock on a folder, held as long as somebody may write in it."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.close = weakref.finalize(self, os.close, self._descriptor)

    def is_alone(self) -> bool:
        """Whether nobody else has it now; then nobody gets it before ``share``."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def share(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)


def _sweep(temporary: Path, presence: _Presence) -> None:
    """Remove what writers that were killed have left: at once where nobody else has the store open."""
    youngest = math.inf if presence.is_alone() else time.time() - STALE_TEMPORARY_S
    for leftover in temporary.iterdir():
        with suppress(FileNotFoundError):  # its writer was quicker
            if leftover.stat().st_mtime < youngest:
                leftover.unlink()
    presence.share()


def _reference(data: bytes, media_type: str) -> BlobRef:
    return BlobRef(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), media_type=media_type)


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that nobody writes to again, whatever the umask."""
    with path.open("xb") as file:
        os.fchmod(file.fileno(), 0o444)
        yield file


def _copy_hashed(source: Path, destination: Path) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha256(), 0
    with source.open("rb") as reader, _new_file(destination) as writer:
        while chunk := reader.read(CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += writer.write(chunk)
    return digest.hexdigest(), size_bytes


def _link_or_copy(source: Path, destination: Path) -> None:
    """Hard link where the file system allows it; a copy across file systems and beyond the limit of links."""
    try:
        os.link(source, destination)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP):
            raise
        shutil.copyfile(source, destination)


def is_sound(path: Path, sha256: str | None = None) -> bool:
    """Whether the file holds the bytes of ``sha256``, or of its own name."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == (sha256 or path.name)


def copy_sound(source: Path, target: Path, *, link: bool = False) -> bool:
    """Have ``target`` be a copy, or with ``link`` a hard link, of the blob ``source``; its folder is not synced.

    False, and no target, when the blob has rotted.
    """
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.tmp")
    try:
        with syncing(target.parent) as sync:
            (_link_or_copy if link else _copy_hashed)(source, temporary)
            if not is_sound(temporary, source.name):
                return False
            sync([temporary])
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return True


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def _corrupt(sha256: str) -> PermanentError:
    return PermanentError(
        "blob_corrupt",
        f"blob {sha256} does not have the bytes that its name says",
        hint="azaion blobs verify --heal",
    )


def _missing(sha256: str) -> PermanentError:
    return PermanentError("blob_missing", f"blob {sha256} is not in the store")
