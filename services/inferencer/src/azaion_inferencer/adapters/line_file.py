"""A file that lines are appended to, and that every reader may read along.

A line is there for others as soon as it is written, and survives a power cut once it is synced. What a power cut
left torn at the end is taken away when the file is opened again.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from threading import Lock
from typing import Self
from uuid import uuid4

from azaion_common.core.durable import fsync_folder, replacing, storage_errors
from azaion_common.core.errors import PermanentError

_TAIL_BYTES = 1 << 20
"""No more than this can be torn: far more than is written between two syncs."""


class LineFile:
    """One file, open for appending; nobody else of us may write it meanwhile. ``append`` and ``sync`` may meet.

    Attributes:
        size_bytes: how long it is.
        written: how many lines were written here.
        synced: how many of them are safe from a power cut.
        repaired_bytes: what was torn and had to go when it was opened.
    """

    def __init__(
        self,
        path: Path,
        descriptor: int,
        *,
        temporary: Path | None = None,
        repaired_bytes: int = 0,
        is_special: bool = False,
    ) -> None:
        self.path = path
        self.repaired_bytes = repaired_bytes
        self.written = 0
        self.synced = 0
        self.size_bytes = os.fstat(descriptor).st_size
        self._descriptor = descriptor
        self._temporary = temporary
        self._is_special = is_special
        self._is_closed = False
        self._lock = Lock()

    @classmethod
    def fresh(cls, path: Path) -> Self:
        """A file that takes the place of ``path`` with its first line: until then a former result stays.

        Raises:
            TransientError: ``disk_full``, ``store_unavailable``.
            PermanentError: ``not_writable``, ``folder_missing``, ``not_a_file``; at once, not after an hour.
        """
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not path.is_file():
                return cls(path, _open_special(path), is_special=True)
            temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
            return cls(path, os.open(temporary, _NEW, 0o644), temporary=temporary)

    @classmethod
    def continued(cls, path: Path) -> Self:
        """``path`` with what is in it, or a new one; a torn end is repaired.

        Raises:
            TransientError: ``disk_full``, ``store_unavailable``.
            PermanentError: as ``fresh``; ``output_in_use`` while another process writes it, ``output_is_other`` when
                it holds something else than detections.
        """
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not path.is_file():
                return cls(path, _open_special(path), is_special=True)
            descriptor = _locked(path)
            torn = repair(path, descriptor)
            if torn:  # it may have been written anew
                os.close(descriptor)
                descriptor = _locked(path)
            fsync_folder(path.parent)
            return cls(path, descriptor, repaired_bytes=torn)

    def append(self, line: bytes) -> None:
        """Write a line (with its end), whole or not at all.

        Raises:
            TransientError: ``disk_full``, ``store_unavailable``; the next call may succeed.
        """
        with self._lock, storage_errors(self.path):
            try:
                _write_all(self._descriptor, line)
            except OSError:
                if not self._is_special:
                    os.ftruncate(self._descriptor, self.size_bytes)
                raise
            self.size_bytes += len(line)
            self.written += 1
            self._appear()

    def sync(self) -> None:
        """Make everything that was written safe from a power cut. Raises as ``append``."""
        with self._lock:
            if self._is_closed or self.written == self.synced:
                return
            written, descriptor = self.written, os.dup(self._descriptor)
        try:
            with storage_errors(self.path):
                if not self._is_special:
                    os.fsync(descriptor)
            self.synced = written
        finally:
            os.close(descriptor)
        self._return_to_path()

    def close(self, *, whole: bool = True) -> None:
        """Sync and close. A fresh file without a line becomes an empty one if the run was ``whole``, else none."""
        try:
            self.sync()
            with self._lock, storage_errors(self.path):
                if whole:
                    self._appear()
        finally:
            with self._lock:
                self._is_closed = True
                os.close(self._descriptor)
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)

    def _return_to_path(self) -> None:
        """Whoever moved the file away or deleted it has what was in it; what comes goes into a new one."""
        with self._lock, storage_errors(self.path):
            if self._temporary is not None or self._is_special or _is_at(self._descriptor, self.path):
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = _locked(self.path)
            os.close(self._descriptor)
            self._descriptor, self.size_bytes = descriptor, os.fstat(descriptor).st_size

    def _appear(self) -> None:
        if self._temporary is not None:
            self._temporary.replace(self.path)
            self._temporary = None
            fsync_folder(self.path.parent)


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC


def repair(path: Path, descriptor: int) -> int:
    """Take away what is no whole line at the end of a file, as a power cut leaves it: torn, or blocks of zeros.

    Returns:
        How many bytes went.

    Raises:
        PermanentError: ``output_is_other`` when the file holds something else than JSON lines.
    """
    size = os.fstat(descriptor).st_size
    _check_kind(path, os.pread(descriptor, _TAIL_BYTES, 0))
    start = max(size - _TAIL_BYTES, 0)
    tail = os.pread(descriptor, size - start, start)
    if start:  # inside a line; without a line end all of the window is torn, and more before it
        begin = tail.find(b"\n") + 1
        if not begin:
            os.ftruncate(descriptor, start)
            return len(tail) + repair(path, descriptor)
        start, tail = start + begin, tail[begin:]
    kept = b"".join(map(_closed, filter(_is_whole, tail.splitlines(keepends=True))))
    if kept == tail:
        return 0
    if tail.startswith(kept):
        os.ftruncate(descriptor, start + len(kept))
        os.fsync(descriptor)
    else:
        _replace_tail(path, start, kept)
    return max(len(tail) - len(kept), 1)


def _check_kind(path: Path, beginning: bytes) -> None:
    line, end, _ = beginning.partition(b"\n")
    torn_at_once = not end and line.lstrip(b"\0")[:1] in (b"", b"{")
    if not torn_at_once and not _is_whole(line):
        raise PermanentError(
            "output_is_other", f"{path} holds no detections to go on with", hint="name another file"
        )


def _closed(line: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + b"\n"


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _replace_tail(path: Path, start: int, kept: bytes) -> None:
    """With whole lines behind a torn one the file is written anew: they were there, and a crash now must not cost them."""
    with path.open("rb") as old, replacing(path, mode=0o644) as new:
        left = start
        while left:
            left -= new.write(old.read(min(left, _TAIL_BYTES)))
        new.write(kept)


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise PermanentError(
            "output_in_use", f"another process writes {path}", hint="name another file, or stop the other one"
        ) from None
    return descriptor


def _open_special(path: Path) -> int:
    """A pipe or a terminal: there is nothing to sync or to take back."""
    if path.is_dir():
        raise PermanentError("not_a_file", f"{path} is a folder")
    return os.open(path, os.O_WRONLY | os.O_CLOEXEC)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _write_all(descriptor: int, line: bytes) -> None:
    left = memoryview(line)
    while left:
        left = left[os.write(descriptor, left) :]
