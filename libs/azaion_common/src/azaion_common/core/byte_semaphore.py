"""A semaphore that counts bytes: it bounds how much is in memory at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ByteSemaphore:
    """``size_bytes`` in all. Requests are served in order, so that small ones cannot starve a large one."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = self._free = size_bytes
        self._turn = asyncio.Lock()
        self._given_back = asyncio.Event()

    @asynccontextmanager
    async def hold(self, size_bytes: int) -> AsyncIterator[None]:
        """Hold ``size_bytes``, at most the whole semaphore, during the block; wait until they are free."""
        taken = min(size_bytes, self._size_bytes)
        async with self._turn:
            while self._free < taken:
                self._given_back.clear()
                await self._given_back.wait()
            self._free -= taken
        try:
            yield
        finally:
            self._free += taken
            self._given_back.set()
