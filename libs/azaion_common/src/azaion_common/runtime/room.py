"""Bytes that may be in memory at a time: who comes when there is no room waits for those who came before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """Of ``size_bytes``. Served in order, so that nobody small keeps somebody large waiting for ever."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = self._free = size_bytes
        self._turn = asyncio.Lock()
        self._given_back = asyncio.Event()

    @asynccontextmanager
    async def of(self, size_bytes: int) -> AsyncIterator[None]:
        """So many bytes, or all that there is, for the time of the block."""
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
