"""Files that are whole or absent, after a kill or a power cut at any instant.

The order is always: write a temporary file, fsync it, rename it, fsync its folder. A rename without the first
fsync leaves torn files after a power cut, one without the second may be undone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from azaion_common.core.errors import AzaionError, PermanentError, SetupError, TransientError

SYNC_TOGETHER = 4
"""From this many files on, one sync of their file system costs less than one of each."""
_HONEST_SYNCFS = (5, 8)
"""The Linux since which syncfs tells of failed writes (syncfs(2))."""
PRIVATE_FOLDER, PRIVATE_FILE, OF_OTHERS = 0o700, 0o600, 0o077
"""Modes of what is for its owner alone, and the bits that let others in."""
_ROOM_BYTES = 64 << 10
"""What SQLite wants before it begins: a log and an index of it."""
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


def make_private_folder(folder: Path) -> None:
    """As ``make_folder``, for what only the owner of the home may look into; parents are made as ever."""
    with storage_errors(folder):
        make_folder(folder.parent)
        if not folder.is_dir():
            folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            fsync_folder(folder.parent)


def make_private_file(path: Path) -> None:
    """Have a file at ``path`` that only its owner may read; what one holds stays. SQLite makes others like it beside it."""
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            if os.fstat(descriptor).st_mode & OF_OTHERS:
                os.fchmod(descriptor, PRIVATE_FILE)
        finally:
            os.close(descriptor)


def open_lock(path: Path) -> BinaryIO:
    """An empty file to hold a lock on, made when missing; the lock ends when it is closed.

    Raises:
        AzaionError: as ``replacing``.
    """
    with storage_errors(path):
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE), "wb")


def trace_of_writing(path: Path) -> tuple[int, int]:
    """Time (ns since 1970) of the last writing to ``path`` and its size: others than before when it was written to."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


def write_problem(path: Path) -> AzaionError | None:
    """Why nothing can be written beside ``path``, by trying: databases do not always tell."""
    try:
        with storage_errors(path), temporary_beside(path) as (_, file):
            os.posix_fallocate(file.fileno(), 0, _ROOM_BYTES)
    except AzaionError as error:
        return error
    return None


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
        make_private_folder(path.parent)
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
        PermanentError: ``not_writable``, ``folder_missing``, ``name_too_long``.
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


_FOR_GOOD: Mapping[int, tuple[type[PermanentError], str, str]] = {
    errno.EROFS: (SetupError, "not_writable", "{} cannot be written: its file system is read-only"),
    errno.EACCES: (SetupError, "not_writable", "no permission to write {}"),
    errno.EPERM: (SetupError, "not_writable", "no permission to write {}"),
    errno.EISDIR: (PermanentError, "not_a_file", "{} is a folder"),
    errno.ENOENT: (PermanentError, "folder_missing", "cannot write {}: its folder does not exist"),
    errno.ENOTDIR: (PermanentError, "folder_missing", "cannot write {}: its folder does not exist"),
    errno.ENAMETOOLONG: (PermanentError, "name_too_long", "cannot write {}: the name is too long"),
}


def storage_error(error: OSError, path: Path) -> AzaionError:
    """What an error of the operating system on ``path`` means."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TransientError(
            "disk_full", f"no space left for {path}", hint="free space; work goes on by itself"
        )
    if error.errno in (errno.EEXIST, errno.ENOTDIR) and (file := _file_on_the_way(path)):
        return PermanentError("folder_missing", f"cannot write {path}: {file} is a file, not a folder")
    if known := _FOR_GOOD.get(error.errno or 0):
        kind, code, text = known
        return kind(code, text.format(path))
    return TransientError("store_unavailable", f"cannot write {path}: {error.strerror or error}")


def _file_on_the_way(path: Path) -> Path | None:
    with suppress(OSError):
        return next((each for each in (path, *path.parents) if each.exists() and not each.is_dir()), None)
    return None
