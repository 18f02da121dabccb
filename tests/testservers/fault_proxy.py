"""A TCP proxy that does to connections what networks do: cuts, resets, black holes, delays, narrow lines, refusals."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Thread
from typing import Any, Self

from testservers.processes import LOOPBACK, free_port

_CHUNK = 1 << 14
_SLOW_BYTES_S = 200_000


class FaultProxy:
    """Use as a context manager; faults may be asked for from any thread. ``target`` is a port on loopback."""

    def __init__(self, target: int, *, port: int | None = None) -> None:
        self.target = target
        self.port = port or free_port()
        self.faults: Counter[str] = Counter()
        self.delay_s = 0.0
        self.bytes_s: float | None = None
        self._refusing = False
        self._swallowing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """Every connection is closed, as by a host that shuts down."""
        self._do("cut", self._close_all)

    def reset(self) -> None:
        """Every connection is reset, as by a firewall that forgot it; what was under way is lost."""
        self._do("reset", self._reset_all)

    def swallow(self) -> None:
        """A black hole: sockets stay open, nothing comes through any more, new ones the same."""
        self.faults["black hole"] += 1
        self._swallowing = True

    def refuse(self) -> None:
        """No new connections, and the old ones end."""
        self._refusing = True
        self._do("refuse", self._reset_all)

    def slow(self) -> None:
        """A late and narrow line."""
        self.faults["slow"] += 1
        self.delay_s, self.bytes_s = 0.05, _SLOW_BYTES_S

    def mend(self) -> None:
        """No faults any more. What a black hole has swallowed stays lost, and so do its connections."""
        was_swallowing, self._swallowing, self._refusing = self._swallowing, False, False
        self.delay_s, self.bytes_s = 0.0, None
        if was_swallowing:
            self._do("", self._reset_all)

    def storm(self, seed: int, faults: int, pause_s: float, sleep: Callable[[float], None]) -> None:
        """``faults`` random ones, one after the other; the same ones for the same seed."""
        chance = random.Random(seed)
        for _ in range(faults):
            fault = chance.choice((self.cut, self.reset, self.reset, self.refuse, self.slow))
            fault()
            sleep(chance.uniform(0.02, pause_s))
            self.mend()
            sleep(chance.uniform(0.0, pause_s))

    def _close_all(self) -> None:
        for writer in self._writers:
            writer.close()

    def _reset_all(self) -> None:
        for writer in self._writers:
            _reset(writer)

    def _do(self, name: str, work: Callable[[], object]) -> None:
        if name:
            self.faults[name] += 1

        async def act() -> None:
            work()

        self._run(act())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    async def _close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            _reset(writer)
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._join(reader, writer)
        finally:
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            _reset(writer)
            return
        pair = {writer, far_writer}
        self._writers |= pair
        ways = [
            asyncio.ensure_future(self._carry(reader, far_writer)),
            asyncio.ensure_future(self._carry(far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._writers -= pair
            for each in pair:
                each.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        lost = False
        with suppress(OSError):
            while data := await source.read(_CHUNK):
                lost = lost or self._swallowing
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self.bytes_s:
                    await asyncio.sleep(len(data) / self.bytes_s)
                if not lost:
                    sink.write(data)
                    await sink.drain()
        if lost:
            await asyncio.Event().wait()  # the other side is not told


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
