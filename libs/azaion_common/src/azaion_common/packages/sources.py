"""Where package bytes come from: a path, bytes in memory, or an open seekable binary file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from azaion_common.core.errors import PermanentError

Source = Path | bytes | BinaryIO


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """The source as a binary file at its current position; only what was opened here is closed here.

    Raises:
        PermanentError: ``source_unreadable`` for a path that cannot be opened.
    """
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, Path):
        with _open_path(source) as file:
            yield file
    else:
        yield source


def _open_path(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise PermanentError("source_unreadable", f"cannot read {path}: {error.strerror}") from error


def remaining_size_bytes(file: BinaryIO) -> int:
    """Bytes from the current position to the end; the position stays."""
    position = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(position)
    return end - position


def read_up_to(file: BinaryIO, buffer: memoryview) -> int:
    """Fill ``buffer`` as far as the file goes; return the number of bytes read.

    ``readinto`` of an unbuffered file may stop short before the end, so ask again until it gives nothing.
    """
    filled = 0
    while filled < len(buffer):
        count: int = file.readinto(buffer[filled:])  # type: ignore[attr-defined]
        if not count:
            break
        filled += count
    return filled
