"""Verified plaintext in memory: an anonymous file that has no name on any disk.

On Linux it is a memfd, frozen after writing so that nobody who is handed it can change what was verified; a runtime
that wants a path gets one under /proc. Elsewhere it is plain process memory, and there is no path.
"""

from __future__ import annotations

import fcntl
import io
import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self


class PlaintextMemory:
    """Bytes in memory; gone when closed. Use as a context manager."""

    def __init__(self) -> None:
        self.file: BinaryIO = _memory_file()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def path(self) -> Path | None:
        """A path that this process can open while the memory is open; None where the platform has no memfd."""
        return None if isinstance(self.file, io.BytesIO) else Path(f"/proc/self/fd/{self.file.fileno()}")

    def freeze(self) -> None:
        """Forbid any later change of content or size (Linux file seals)."""
        self.file.flush()
        if not isinstance(self.file, io.BytesIO):
            seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
            fcntl.fcntl(self.file, fcntl.F_ADD_SEALS, seals)

    def read(self) -> bytes:
        """The whole content as a copy."""
        self.file.seek(0)
        return self.file.read()

    def close(self) -> None:
        self.file.close()


def _memory_file() -> BinaryIO:
    if not hasattr(os, "memfd_create"):
        return io.BytesIO()
    return os.fdopen(os.memfd_create("package", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "w+b")
