"""SHA-256 on a second thread, so that hashing overlaps with ciphers and disks.

SHA-256 is several times slower than AES-GCM on processors with vector AES; done in turn it would set the pace.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class OverlappedSha256:
    """Hashes one buffer while the caller fills another; use as a context manager, its thread ends with it.

    A buffer passed to ``update`` must stay unchanged until the *next* ``update`` returns: two buffers in turn.
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
