"""Publishes jobs: one at a time, again and again until the broker has confirmed that a quorum of it has the job.

Publishing again what was in doubt is harmless: jobs are known by their ids.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import structlog
from aio_pika import Message
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelNotFoundEntity

from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.jobs.rabbitmq.errors import BLOCKED, UNAVAILABLE, typed_errors
from azaion_common.platform.jobs.rabbitmq.link import Link
from azaion_common.platform.jobs.rabbitmq.topology import broker_name

CONFIRM_S = 4.0
DEADLINE_S = 10.0
_log = structlog.get_logger(__name__)


class Putter:
    """``put`` from any number of tasks, which take turns; ``close`` when done. The link is its own."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._turn = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._channel: AbstractChannel | None = None

    async def put(self, queue: str, message: Message) -> None:
        """Put a job into ``queue``, which is made when missing; the broker has it for good when this returns.

        Raises:
            TransientError: ``jobs_unavailable``, ``broker_blocked``, after ``DEADLINE_S``; the job may be put or not.
            PermanentError: ``broker_denied``, ``broker_untrusted``, ``queue_mismatch``, ``job_unroutable``.
        """
        doubts = [TransientError(UNAVAILABLE, f"cannot put a job into {queue}: no confirm in time")]
        try:
            async with asyncio.timeout(DEADLINE_S), self._turn:
                await self._put(queue, message, doubts)
        except TimeoutError:
            raise doubts[-1] from None

    async def close(self) -> None:
        async with self._turn:
            await self._discard()

    async def _put(self, queue: str, message: Message, doubts: list[TransientError]) -> None:
        """``doubts`` is where they are noted; the last one is what a caller whose time is up wants to know."""
        backoff = Backoff(cap_s=1.0)
        while True:
            try:
                return await self._publish(queue, message)
            except TransientError as error:
                if len(doubts) == 1:
                    _log.warning("job.put_in_doubt", queue=queue, code=error.code, error=error.message)
                doubts.append(error)
            if doubts[-1].code == BLOCKED:
                await self._link.unblocked()
            else:
                await self._discard()
            await asyncio.sleep(backoff.next())

    async def _publish(self, queue: str, message: Message) -> None:
        channel = await self._sound_channel()
        try:
            await self._publish_into(channel, queue, message)
        except PermanentError as error:
            if error.code != "job_unroutable":
                raise
            # It was there when we last declared it.
            _log.warning("job.queue_was_deleted", queue=queue)
            self._link.forget(queue)
            await self._publish_into(await self._sound_channel(), queue, message)

    async def _publish_into(self, channel: AbstractChannel, queue: str, message: Message) -> None:
        if await self._link.is_blocked():
            raise _blocked()
        try:
            with typed_errors(f"put a job into {queue}"):
                await self._link.declare(channel, queue)
                async with asyncio.timeout(CONFIRM_S):
                    await publish(channel, broker_name(queue), message)
        except TransientError as error:
            if await self._link.is_blocked():
                raise _blocked() from error
            raise

    async def _sound_channel(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed:
            await self._discard()
            self._channel = await self._stack.enter_async_context(self._link.channel("put jobs"))
        return self._channel

    async def _discard(self) -> None:
        self._channel = None
        await self._link.drop()  # first: a channel of a lost connection would be closed with patience
        await self._stack.aclose()


async def publish(channel: AbstractChannel, name: str, message: Message) -> None:
    """Into the broker's queue ``name``; returned when it is unroutable, which then raises ``PublishError``.

    Raises:
        PermanentError: ``job_unroutable``: there is no exchange for it; the broker has closed ``channel``.
    """
    exchange = await channel.get_exchange(name, ensure=False)
    try:
        await exchange.publish(message, routing_key=name, mandatory=True)
    except ChannelNotFoundEntity as error:
        raise PermanentError(
            "job_unroutable", f"the broker has no exchange {name}", hint="azaion setup makes it"
        ) from error


def _blocked() -> TransientError:
    return TransientError(
        BLOCKED,
        "the broker takes no jobs for now: it is low on memory or disk",
        hint="free its disk or memory",
    )
