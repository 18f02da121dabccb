"""Files that appear whole under their name or not at all, across kills and power loss.

Order matters: write a temporary file beside the destination, fsync it, rename, fsync the folder.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from azaion_common.errors import TransientError


@contextmanager
def replacing(destination: Path) -> Iterator[BinaryIO]:
    """A file to write; at the end of the block it replaces ``destination`` (mode 0600), on an error it is removed.

    Raises:
        TransientError: ``package_write_failed`` when the disk is full or anything else stops the writing.
    """
    try:
        with temporary_beside(destination) as (temporary, file):
            yield file
            flush_to_disk(file)
            temporary.replace(destination)
            sync_folder(destination.parent)
    except OSError as error:
        reason = error.strerror or error
        raise TransientError("package_write_failed", f"{destination} was not written: {reason}") from error


@contextmanager
def temporary_beside(destination: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file (mode 0600) in the destination's folder; gone after the block unless renamed inside it."""
    temporary = destination.with_name(f".{destination.name[:64]}.{secrets.token_hex(8)}.part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield temporary, file
    finally:
        temporary.unlink(missing_ok=True)


def flush_to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make renames and new names in a folder survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
