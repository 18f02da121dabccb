"""Moves jobs from the broker into the ledger database, which owns them from then on.

A job is acknowledged when it is committed there, not when it is done: RabbitMQ closes the channel of a consumer that
does not acknowledge for half an hour, and trainings take days. What is delivered again, because the acknowledgement
was lost, is known by its id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from azaion_common.core.errors import TransientError
from azaion_common.platform.jobs.leases import LeaseTable
from azaion_common.platform.jobs.rabbitmq import messages
from azaion_common.platform.jobs.rabbitmq.errors import UNAVAILABLE
from azaion_common.platform.jobs.rabbitmq.link import Link, answer
from azaion_common.platform.jobs.rabbitmq.topology import broker_name

ONE = 1
"""Messages under way to a consumer. With more, those behind one that breaks connections would share its fate."""
PROBE_S = 4.0
"""How often a broker that sends nothing is asked whether it is there."""

_log = structlog.get_logger(__name__)


class Intake:
    """From all queues of one broker into one table."""

    def __init__(self, link: Link, leases: LeaseTable) -> None:
        self._link = link
        self._leases = leases

    async def drain(self, queue: str) -> None:
        """Move what lies in ``queue`` now.

        Raises:
            TransientError: ``jobs_unavailable``, ``ledger_unavailable``, ``disk_full``.
            PermanentError: ``broker_denied``, ``broker_untrusted``, ``queue_mismatch``, ``ledger_denied``.
        """
        async with self._source(queue) as source:
            while (message := await answer(source.get(fail=False, timeout=None))) is not None:
                await self._move(queue, message)

    @asynccontextmanager
    async def arrivals(self, queue: str) -> AsyncIterator[Arrivals]:
        """Inside the block the broker sends us what comes; raises as ``drain``."""
        async with self._source(queue) as source:
            arrivals = Arrivals(source, lambda message: self._move(queue, message))
            await arrivals.begin()
            yield arrivals
            await arrivals.end()

    @asynccontextmanager
    async def _source(self, queue: str) -> AsyncIterator[AbstractQueue]:
        async with self._link.channel(f"take jobs from {queue}") as channel:
            await self._link.declare(channel, queue)
            await answer(channel.set_qos(prefetch_count=ONE))
            yield await channel.get_queue(broker_name(queue), ensure=False)

    async def _move(self, queue: str, message: AbstractIncomingMessage) -> None:
        job = messages.decode(message)
        if job is None:
            _log.error("job.malformed", queue=queue, job=message.message_id)
            await message.reject(requeue=False)
            return
        await self._leases.keep(queue, *job)
        await message.ack()


class Arrivals:
    """What one consumer is sent."""

    def __init__(
        self, source: AbstractQueue, move: Callable[[AbstractIncomingMessage], Awaitable[None]]
    ) -> None:
        self._source = source
        self._move = move
        self._arrived: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
        """None: nothing will come any more."""
        self._tag = ""
        self._probed_at = time.monotonic()

    async def begin(self) -> None:
        channel = await self._source.channel.get_underlay_channel()
        channel.on_consumer_cancel_callbacks.add(lambda _frame: self._arrived.put_nowait(None))
        self._source.channel.close_callbacks.add(lambda *_: self._arrived.put_nowait(None))
        self._tag = await answer(self._source.consume(self._arrived.put))

    async def end(self) -> None:
        """Move what was sent before the broker knew that we want no more; given back, it would count as undelivered."""
        await answer(self._source.cancel(self._tag))
        # A message that came together with the answer is still on its way through the client's tasks. Those are done
        # before the broker has answered once more.
        channel = await self._source.channel.get_underlay_channel()
        await answer(channel.basic_qos(prefetch_count=ONE))
        while not self._arrived.empty():
            await self._take(self._arrived.get_nowait())

    async def move(self, patience_s: float) -> None:
        """Wait until something arrives, at most ``patience_s``, and move it.

        Raises:
            TransientError: ``jobs_unavailable``: nothing will come any more; else as ``Intake.drain``.
        """
        if time.monotonic() - self._probed_at > PROBE_S:
            await self._probe()
        try:
            async with asyncio.timeout(patience_s):
                arrived = await self._arrived.get()
        except TimeoutError:
            return
        await self._take(arrived)

    async def _take(self, arrived: AbstractIncomingMessage | None) -> None:
        if arrived is None:
            raise TransientError(UNAVAILABLE, f"the broker sends nothing of {self._source.name} any more")
        await self._move(arrived)

    async def _probe(self) -> None:
        """A question that only a broker that is there, and has the queue, answers: silence alone is no sign of either."""
        channel = await self._source.channel.get_underlay_channel()
        await answer(channel.queue_declare(self._source.name, passive=True))
        self._probed_at = time.monotonic()
