"""A TCP relay that can turn into a black hole: sockets stay open, and nothing comes through any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from testservers.processes import LOOPBACK

_CHUNK = 1 << 16


class Relay:
    """Use ``async with Relay.to(port)``. What was lost stays lost: connections from before ``mend`` never recover."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._broken = False
        self._ends: set[asyncio.StreamWriter] = set()
        self._pairs: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def to(cls, target: int) -> AsyncIterator[Relay]:
        relay = cls(target)
        server = await asyncio.start_server(relay._accept, LOOPBACK, 0)
        relay.port = server.sockets[0].getsockname()[1]
        try:
            yield relay
        finally:
            server.close()
            for end in relay._ends:
                end.transport.abort()
            await asyncio.gather(*relay._pairs, return_exceptions=True)

    def swallow(self) -> None:
        self._broken = True

    def mend(self) -> None:
        self._broken = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = asyncio.current_task()
        assert pair is not None
        self._pairs.add(pair)
        async with self._closed_afterwards(writer):
            there_reader, there_writer = await asyncio.open_connection(LOOPBACK, self._target)
            async with self._closed_afterwards(there_writer):
                with suppress(OSError, ExceptionGroup):
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._carry(reader, there_writer))
                        group.create_task(self._carry(there_reader, writer))
        self._pairs.discard(pair)

    @asynccontextmanager
    async def _closed_afterwards(self, end: asyncio.StreamWriter) -> AsyncIterator[None]:
        self._ends.add(end)
        try:
            yield
        finally:
            self._ends.discard(end)
            end.close()
            with suppress(OSError):
                await end.wait_closed()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        lost = False
        while data := await source.read(_CHUNK):
            lost = lost or self._broken
            if not lost:
                sink.write(data)
                await sink.drain()
        if not lost:
            raise ConnectionResetError  # the other side is to know
