"""One supervised connection to a broker.

It is either sound or lost, and being lost is final: whoever used it opens a new one. Lost means the socket closed,
the broker said so, a frame made no sense, a handler failed, or nothing was heard for three heartbeats: a connection
into a black hole looks alive to TCP for many minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from rstream import exceptions, schema
from rstream.client import Client
from rstream.connection import Connection, ConnectionClosed
from rstream.encoding import decode_frame

from azaion_common.core.errors import AzaionError, SetupError, TransientError
from azaion_common.platform.streams.rabbitmq import frames
from azaion_common.platform.streams.rabbitmq.errors import UNAVAILABLE, typed_errors
from azaion_common.platform.streams.rabbitmq.frames import StreamStats
from azaion_common.platform.streams.rabbitmq.location import StreamsLocation

Frame = TypeVar("Frame", bound=schema.Frame)
HEARTBEAT_S = 4
SILENT_HEARTBEATS = 3
"""Nothing for 12 s: the connection is taken for lost."""
OPEN_S = 8.0
REQUEST_S = 8.0
FRAME_MAX = 32 << 20
_READ_BUFFER = 1 << 20


class _Wire(Connection):
    """``rstream`` reads 256 bytes at a time; this reads what is asked for."""

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(
            self.host, self.port, ssl=self._ssl_context, limit=_READ_BUFFER
        )

    async def read(self) -> bytes:
        """One frame without its length."""
        assert self._reader is not None  # noqa: S101 - opened before
        try:
            length = int.from_bytes(await self._reader.readexactly(4), "big")
            return await self._reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise ConnectionClosed from error

    async def write(self, frame: bytes) -> None:
        await self._write_frame_raw(len(frame).to_bytes(4, "big") + frame)

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


class Link(Client):
    """Use ``async with Link.connect(...)``. ``handle`` says who gets the frames that nobody asked for."""

    def __init__(
        self, location: StreamsLocation, host: str, port: int, context: ssl.SSLContext | None, name: str
    ):
        super().__init__(
            host, port, ssl_context=context, frame_max=FRAME_MAX, heartbeat=HEARTBEAT_S, connection_name=name
        )
        self._location = location
        self._wire = _Wire(host, port, context)
        self._conn = self._wire
        self._receivers: dict[type[schema.Frame], Callable[[Any], None]] = {}
        self._stats: dict[int, asyncio.Future[StreamStats | None]] = {}
        self._running: list[asyncio.Task[None]] = []
        self.lost: asyncio.Future[AzaionError] = asyncio.get_running_loop().create_future()
        """Done once the link is lost; the result says why."""

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, location: StreamsLocation, *, name: str, host: str | None = None, port: int | None = None
    ) -> AsyncIterator[Link]:
        """A link to ``host`` (default: the location's own), logged in.

        Raises:
            TransientError: ``streams_unavailable``.
            PermanentError: ``broker_denied``, ``broker_untrusted``, ``heartbeats_disabled``.
        """
        context = await asyncio.to_thread(location.ssl_context)
        link = cls(location, host or location.host, port or location.port, context, name)
        try:
            with typed_errors(f"reach the broker at {link.host}:{link.port}"):
                async with asyncio.timeout(OPEN_S):
                    await link._log_in()
            yield link
        finally:
            await link._end()

    async def _log_in(self) -> None:
        await self._wire.open()
        self._running.append(asyncio.create_task(self._listen(), name="stream-link"))
        await self.authenticate(self._location.vhost, self._location.username, self._location.password)

    def handle(self, kind: type[schema.Frame], receiver: Callable[[Any], None]) -> None:
        """Frames of ``kind`` go to ``receiver``, which must be quick; if it fails, the link is lost."""
        self._receivers[kind] = receiver

    def wait_frame(
        self, frame_cls: type[Frame], corr_id: int | None = None, timeout: int | None = None
    ) -> Awaitable[Frame]:
        """As ``rstream``'s, without its ``asyncio.wait_for``: in Python 3.11 that swallows a cancellation that comes
        together with the answer. Whoever asks has a deadline of their own.
        """
        super().wait_frame(frame_cls, corr_id, timeout)
        return cast("asyncio.Future[Frame]", self._waiters[frame_cls.key, corr_id])

    async def ask(self, request: Callable[[], Any], doing: str) -> Any:
        """The answer to one of ``rstream``'s requests, within ``REQUEST_S``; raises typed errors."""
        with typed_errors(doing):
            async with asyncio.timeout(REQUEST_S):
                return await request()

    async def stream_stats(self, stream: str) -> StreamStats | None:
        """First and last chunk of ``stream``; None when there is no such stream.

        Raises:
            TransientError: ``streams_unavailable``.
            PermanentError: ``broker_denied``: it may be there, but we may not read it.
        """
        correlation_id = self._corr_id_seq.next()
        answer = self._stats[correlation_id] = asyncio.get_running_loop().create_future()
        try:
            with typed_errors(f"look at {stream}"):
                async with asyncio.timeout(REQUEST_S):
                    self._refuse_if_lost()
                    await self._wire.write(frames.encode_request(correlation_id, stream))
                    found: StreamStats | None = await answer
                    return found
        finally:
            self._stats.pop(correlation_id, None)

    async def send_frame(self, frame: schema.Frame, version: int = 1) -> None:
        """As ``rstream``'s, but a lost link is an error and not silence."""
        self._refuse_if_lost()
        with typed_errors("send to the broker"):
            await self._wire.write_frame(frame, version)

    async def send_publish_frame(self, frame: schema.Publish, version: int = 1) -> None:
        """As ``send_frame``."""
        self._refuse_if_lost()
        with typed_errors("send to the broker"):
            await self._wire.write_frame_publish(frame, version)

    def lose(self, error: AzaionError) -> None:
        """Give the link up; everybody who waits for an answer gets ``error``."""
        if self.lost.done():
            return
        self.lost.set_result(error)
        self._is_not_closed = False
        self._wire.abort()
        waiters: list[asyncio.Future[Any]] = [*self._waiters.values(), *self._stats.values()]
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)
                waiter.exception()  # nobody may be waiting any more

    def _refuse_if_lost(self) -> None:
        if self.lost.done():
            raise self.lost.result()

    async def _listen(self) -> None:
        try:
            while True:
                frame = await self._wire.read()
                self._last_heartbeat = time.monotonic()
                self._take(frame)
        except asyncio.CancelledError:
            raise
        except AzaionError as error:
            self.lose(error)
        except Exception as error:  # noqa: BLE001 - whatever it was, the link cannot be trusted any more
            self.lose(TransientError(UNAVAILABLE, f"the connection broke: {type(error).__name__} {error}"))

    def _take(self, raw: bytes) -> None:
        if frames.is_response(raw):
            self._take_stats(*frames.decode_response(raw))
            return
        frame = decode_frame(raw)
        if isinstance(frame, schema.Close):
            raise TransientError(UNAVAILABLE, f"the broker closed the connection: {frame.reason}")
        if isinstance(frame, schema.MetadataUpdate):
            raise TransientError(UNAVAILABLE, f"stream {frame.metadata_info.stream} was moved or deleted")
        _resolve(self._waiters.get((frame.key, frame.corr_id)), frame)
        receiver = self._receivers.get(type(frame))
        if receiver is not None:
            receiver(frame)

    def _take_stats(self, correlation_id: int, code: int, stats: StreamStats | None) -> None:
        waiter = self._stats.get(correlation_id)
        if code != frames.ACCESS_REFUSED:
            _resolve(waiter, stats)
        elif waiter is not None and not waiter.done():
            waiter.set_exception(exceptions.AccessRefused("no right to read it"))

    def _start_heartbeat(self) -> None:
        """Called by ``authenticate`` once both sides have agreed on the interval."""
        if self._heartbeat <= 0:
            raise SetupError(
                "heartbeats_disabled",
                "the broker sends no heartbeats",
                hint="set heartbeat > 0 in rabbitmq.conf",
            )
        for work, name in ((self._beat(), "heartbeat"), (self._watch(), "watchdog")):
            self._running.append(asyncio.create_task(work, name=f"stream-link-{name}"))

    async def _beat(self) -> None:
        with contextlib.suppress(AzaionError):  # a lost link has told why
            while True:
                await self.send_frame(schema.Heartbeat())
                await asyncio.sleep(self._heartbeat)

    async def _watch(self) -> None:
        limit_s = self._heartbeat * SILENT_HEARTBEATS
        while (silent_s := time.monotonic() - self._last_heartbeat) < limit_s:  # noqa: ASYNC110 - silence is time
            await asyncio.sleep(min(1.0, limit_s - silent_s))
        self.lose(TransientError(UNAVAILABLE, f"nothing was heard from the broker for {silent_s:.0f} s"))

    async def _end(self) -> None:
        self.lose(TransientError(UNAVAILABLE, "the connection was closed"))
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        with contextlib.suppress(OSError):
            await self._wire.close()


def _resolve(waiter: asyncio.Future[Any] | None, value: object) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(value)
