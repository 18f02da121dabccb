"""Files that are whole or absent, after a kill or a power cut at any instant.

The order is always: write a temporary file, fsync it, rename it, fsync its folder. A rename without the first
fsync leaves torn files after a power cut, one without the second may be undone.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from azaion_common.errors import AzaionError, PermanentError, TransientError


def fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create ``folder`` and its parents, each made durable in its parent."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync_folder(folder.parent)


def write_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace ``path`` by a file that holds ``data``; durable when this returns.

    Raises:
        TransientError: ``disk_full``, ``store_unavailable``.
    """
    with storage_errors(path):
        temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
        try:
            _write_synced(temporary, data, mode)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_folder(path.parent)


def _write_synced(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
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
        return PermanentError("not_writable", f"no permission to write {path}")
    return TransientError("store_unavailable", f"cannot write {path}: {error.strerror or error}")
