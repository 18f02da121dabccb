"""Two files read as if they were one."""

from __future__ import annotations

import io
from typing import BinaryIO

from azaion_common.packages.sources import remaining_size_bytes


class JoinedParts(io.RawIOBase):
    """The rest of ``first`` followed by the rest of ``second``; seekable and read-only. Closing it closes neither."""

    def __init__(self, first: BinaryIO, second: BinaryIO) -> None:
        self._parts = (first, second)
        self._starts = (first.tell(), second.tell())
        self._first_size_bytes = remaining_size_bytes(first)
        self._size_bytes = self._first_size_bytes + remaining_size_bytes(second)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # narrower than Buffer: BufferedReader
        """Read from whichever part the position lies in; it stops at the seam by itself."""
        index = int(self._position >= self._first_size_bytes)
        part, offset = self._parts[index], self._position - index * self._first_size_bytes
        part.seek(self._starts[index] + offset)
        count: int = part.readinto(buffer)  # type: ignore[attr-defined]
        self._position += count
        return count
