"""Files that are whole or absent, after a kill or a power cut at any instant.

The order is always: write a temporary file, fsync it, rename it, fsync its folder. A rename without the first
fsync leaves torn files after a power cut, one without the second may be undone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from azaion_common.errors import AzaionError, PermanentError, SetupError, TransientError

SYNC_TOGETHER = 4
"""From this many files on, one sync of their file system costs less than one of each."""
_HONEST_SYNCFS = (5, 8)
"""The Linux since which syncfs tells of failed writes (syncfs(2))."""
_LIBC = ctypes.CDLL(None, use_errno=True)

Sync = Callable[[Collection[Path]], None]
"""Makes files and folders durable."""


def fsync_folder(folder: Path) -> None:
    """Make the entries of ``folder`` durable."""
    _fsync(folder)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def syncing(folder: Path) -> Iterator[Sync]:
    """A way to make what is written on the file system of ``folder`` durable, many files at a time.

    To be opened before they are written: it tells of errors since then.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def sync(paths: Collection[Path]) -> None:
        if len(paths) >= SYNC_TOGETHER and _syncfs_is_honest():
            _sync_file_system(descriptor)
        else:
            for path in paths:
                _fsync(path)

    try:
        yield sync
    finally:
        os.close(descriptor)


def _syncfs_is_honest() -> bool:
    if platform.system() != "Linux":
        return False
    major, minor, *_ = platform.release().split(".")
    return (int(major), int(minor.partition("-")[0])) >= _HONEST_SYNCFS


def _sync_file_system(descriptor: int) -> None:
    if _LIBC.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def make_folder(folder: Path) -> None:
    """Create ``folder`` and its parents, each made durable in its parent."""
    for changed in new_folders(folder):
        fsync_folder(changed)


def new_folders(folder: Path) -> set[Path]:
    """Create ``folder`` and its parents; the folders that have a new entry by that, not durable yet."""
    if folder.is_dir():
        return set()
    changed = new_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    return changed | {folder.parent}


def write_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace ``path`` by a file that holds ``data``; durable when this returns. Raises as ``replacing``."""
    with replacing(path, mode=mode) as file:
        file.write(data)


def create_once(path: Path, make: Callable[[], bytes]) -> None:
    """Let ``path`` hold what ``make`` gives (mode 0600), unless it exists: of two creators at once one wins, for both.

    Raises: as ``replacing``.
    """
    if path.exists():
        return
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(path) as (temporary, file):
            file.write(make())
            flush_to_disk(file)
            # A hard link, unlike a rename, never replaces: what another process made meanwhile stays.
            with suppress(FileExistsError):
                path.hardlink_to(temporary)
        fsync_folder(path.parent)


@contextmanager
def replacing(path: Path, *, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file to write; at the end of the block it replaces ``path``, after an error it is gone.

    Raises:
        TransientError: ``disk_full``, ``store_unavailable``.
        PermanentError: ``not_writable``, ``folder_missing``.
    """
    with storage_errors(path), temporary_beside(path, mode=mode) as (temporary, file):
        yield file
        flush_to_disk(file)
        temporary.replace(path)
        fsync_folder(path.parent)


@contextmanager
def temporary_beside(path: Path, *, mode: int = 0o600) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file in the folder of ``path``; gone after the block unless renamed inside it."""
    temporary = path.with_name(f".{path.name[:64]}.{uuid4().hex}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield temporary, file
    finally:
        temporary.unlink(missing_ok=True)


def flush_to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn operating system errors on ``path`` into typed ones."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


def storage_error(error: OSError, path: Path) -> AzaionError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TransientError(
            "disk_full", f"no space left for {path}", hint="free space; work goes on by itself"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return SetupError("not_writable", f"no permission to write {path}")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return PermanentError("folder_missing", f"cannot write {path}: its folder does not exist")
    return TransientError("store_unavailable", f"cannot write {path}: {error.strerror or error}")
