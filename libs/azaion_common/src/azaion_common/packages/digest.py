"""SHA-256 on a second thread, so that hashing overlaps with ciphers and disks.

SHA-256 is several times slower than AES-GCM on processors with vector AES; done in turn it would set the pace.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO, Self

from azaion_common.packages.segments import SEGMENT_SIZE_BYTES
from azaion_common.packages.sources import read_up_to


class OverlappedSha256:
    """Hashes one buffer while the caller fills another; use as a context manager, its thread ends with it.

    A buffer passed to ``update`` must stay unchanged until the *next* ``update`` returns: two buffers take turns.
    """

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="package-sha256")
        self._pending: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._executor.shutdown()

    def update(self, buffer: memoryview) -> None:
        self._settle()
        self._pending = self._executor.submit(self._sha256.update, buffer)

    def hexdigest(self) -> str:
        self._settle()
        return self._sha256.hexdigest()

    def _settle(self) -> None:
        if self._pending is not None:
            self._pending.result()


def sha256_of_rest(file: BinaryIO) -> str:
    """SHA-256 (hex) from the current position to the end, in flat memory; the position is put back."""
    position, sha256 = file.tell(), hashlib.sha256()
    buffer = memoryview(bytearray(SEGMENT_SIZE_BYTES))
    while count := read_up_to(file, buffer):
        sha256.update(buffer[:count])
    file.seek(position)
    return sha256.hexdigest()
