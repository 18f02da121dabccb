"""One connection to the broker, made when it is first used, thrown away at the first doubt, and then made again.

``aio-pika``'s own robust connection is not used: one queue that does not answer keeps it from restoring all others,
and when it gives a silent broker up, late, the tasks that waited end as cancelled, by nobody
(``tests/faults/test_robust_connection.py``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.connection import make_url
from aiormq.exceptions import ChannelAccessRefused

from azaion_common.core.errors import TransientError
from azaion_common.platform.jobs.rabbitmq import topology
from azaion_common.platform.jobs.rabbitmq.errors import UNAVAILABLE, typed_errors
from azaion_common.platform.jobs.rabbitmq.location import JobsLocation

HEARTBEAT_S = 5
Answer = TypeVar("Answer")
ANSWER_S = 5.0
"""A broker that has not answered by then is taken for lost."""
_CLOSE_S = 5.0
_AT_ONCE_S = 0.02
_BLOCKED_S = 0.2
_log = structlog.get_logger(__name__)
# What goes wrong is raised to us, and we log it once; these would log it again, each time, with tracebacks.
for _library in ("aiormq", "aio_pika"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)


async def answer(question: Awaitable[Answer]) -> Answer:
    """What the broker answers, in time. aio-pika's own ``timeout`` is ``asyncio.wait_for``, which on Python 3.11 swallows a
    cancellation that comes with the answer.

    Raises:
        TimeoutError: it has not answered.
    """
    async with asyncio.timeout(ANSWER_S):
        return await question


class Link:
    """Use ``async with Link.open(...)``, and on it ``async with link.channel(...)``."""

    def __init__(self, location: JobsLocation, name: str) -> None:
        self._location = location
        self._name = name
        self._connection: AbstractConnection | None = None
        self._declared: set[str] = set()
        self._turn = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, location: JobsLocation, *, name: str) -> AsyncIterator[Link]:
        """``name`` is what the broker's operators see."""
        link = cls(location, name)
        try:
            yield link
        finally:
            await link.drop()

    @asynccontextmanager
    async def channel(self, doing: str) -> AsyncIterator[AbstractChannel]:
        """A fresh channel with confirms; what goes wrong on it is raised as typed errors.

        Raises:
            TransientError: ``jobs_unavailable``; the connection was thrown away then.
            PermanentError: ``broker_denied``, ``broker_untrusted``, ``job_unroutable``.
        """
        connection, channel = await self._sound_connection(), None
        try:
            with typed_errors(doing):
                async with asyncio.timeout(ANSWER_S):
                    channel = await connection.channel(on_return_raises=True)
                yield channel
        except TransientError as error:
            if error.code == UNAVAILABLE:
                await self._give_up(connection)
            raise
        finally:
            if channel is not None:
                await _close(channel)

    async def declare(self, channel: AbstractChannel, queue: str) -> None:
        """Make ``queue`` unless it is there, once per connection; raises as ``topology.declare``."""
        if queue in self._declared:
            return
        async with asyncio.timeout(ANSWER_S):
            if await self._has(queue):
                await self._complete(queue)
            else:
                await topology.declare(channel, queue)
                await topology.write_names_down(channel)
        self._declared.add(queue)

    async def _complete(self, queue: str) -> None:
        """Check what is there, and make what version 0.1 did not; who may make nothing takes it as it is."""
        connection = await self._sound_connection()
        channel = await connection.channel()  # one of its own: the broker closes it when we may not
        try:
            await topology.declare(channel, queue)
        except ChannelAccessRefused:
            _log.debug("jobs.queue_taken_as_it_is", queue=queue)
        finally:
            await _close(channel)

    async def _has(self, queue: str) -> bool:
        connection = await self._sound_connection()
        channel = await connection.channel()  # one of its own: the broker closes it when the queue is missing
        try:
            return await topology.is_there(channel, queue)
        finally:
            await _close(channel)

    def forget(self, queue: str) -> None:
        """``queue`` may have been deleted: declare it again before the next use."""
        self._declared.discard(queue)

    async def drop(self) -> None:
        """Throw the connection away."""
        async with self._turn:
            await self._drop()

    async def is_blocked(self) -> bool:
        """Whether the broker has said, on this connection, that it takes no messages for now."""
        connection = self._connection
        if connection is None or connection.transport is None or not connection.connected.is_set():
            return False
        try:
            async with asyncio.timeout(_AT_ONCE_S):
                await connection.transport.ready()
        except TimeoutError:
            return True
        return False

    async def unblocked(self) -> None:
        """Return when the broker takes messages again, or the connection is lost."""
        while await self.is_blocked():  # noqa: ASYNC110 - a lost connection sets no event
            await asyncio.sleep(_BLOCKED_S)

    async def _sound_connection(self) -> AbstractConnection:
        async with self._turn:
            if self._connection is None or not self._connection.connected.is_set():
                await self._drop()
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> AbstractConnection:
        where = self._location
        url = make_url(
            host=where.host, port=where.port, login=where.username, password=where.password,
            virtualhost=where.vhost, ssl=where.tls, heartbeat=HEARTBEAT_S,
        )  # fmt: skip
        connection = aio_pika.Connection(
            url,
            ssl_context=await asyncio.to_thread(where.ssl_context),
            client_properties={"connection_name": self._name},
        )
        try:
            with typed_errors(f"reach the broker at {where}"):
                async with asyncio.timeout(ANSWER_S):
                    await connection.connect()
        except BaseException:
            await connection.close()  # or the garbage collector would do it, some time, in some other task
            raise
        return connection

    async def _give_up(self, connection: AbstractConnection) -> None:
        """Unless somebody has already, and another one is in use."""
        async with self._turn:
            if connection is self._connection:
                await self._drop()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._declared.clear()
        if connection is not None:
            with suppress(TransientError), typed_errors("close a connection"):  # the kernel finds out in time
                async with asyncio.timeout(_CLOSE_S):
                    await connection.close()


async def _close(channel: AbstractChannel) -> None:
    if not channel.is_closed:
        with suppress(TransientError), typed_errors("close a channel"):
            async with asyncio.timeout(_CLOSE_S):
                await channel.close()
