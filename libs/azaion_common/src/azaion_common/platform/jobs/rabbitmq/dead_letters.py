"""Jobs that the broker could not deliver, and messages that were no jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from azaion_common.core.errors import PermanentError
from azaion_common.platform.jobs import DeadJob
from azaion_common.platform.jobs.rabbitmq import messages, topology
from azaion_common.platform.jobs.rabbitmq.link import Link, answer
from azaion_common.platform.jobs.rabbitmq.putter import Putter

MOST = 1000
"""Only the oldest ones are looked at."""


class DeadLetters:
    """Looked at without being taken away."""

    def __init__(self, link: Link, putter: Putter) -> None:
        self._link = link
        self._putter = putter

    async def all(self) -> list[DeadJob]:
        """Oldest first, at most ``MOST``; raises as ``Intake.drain``."""
        async with self._delivered() as found:
            return [_described(message) for message in found]

    async def requeue(self, job_id: str) -> None:
        """Put the job into its queue again, and take it away here once it is there.

        Raises:
            PermanentError: ``dead_letter_unknown``; else as ``Putter.put``.
        """
        async with self._delivered() as found:
            same = [message for message in found if message.message_id == job_id]
            if not same:
                raise PermanentError("dead_letter_unknown", f"no dead letter is job {job_id}")
            for message in same:
                job = messages.decode(message)
                if job is None:
                    raise PermanentError("job_invalid", f"{job_id} is not a job that anybody could do")
                await self._putter.put(_described(message).queue, messages.encode(*job))
                await message.ack()

    @asynccontextmanager
    async def _delivered(self) -> AsyncIterator[list[AbstractIncomingMessage]]:
        """Those that are not acknowledged in the block go back when the channel is closed."""
        async with self._link.channel("look at dead letters") as channel:
            await topology.declare_dead(channel)
            yield await _lying_in(await channel.get_queue(topology.DEAD, ensure=False))


async def _lying_in(queue: AbstractQueue) -> list[AbstractIncomingMessage]:
    found: list[AbstractIncomingMessage] = []
    while len(found) < MOST:
        message = await answer(queue.get(fail=False, timeout=None))
        if message is None:
            break
        found.append(message)
    return found


def _described(message: AbstractIncomingMessage) -> DeadJob:
    deaths: Any = message.headers.get("x-death")
    death = deaths[0] if deaths else {}
    return DeadJob(
        queue=str(death.get("queue", "")).removeprefix(topology.broker_name("")),
        job_id=message.message_id,
        body=message.body,
        reason=str(death.get("reason", "")),
        at=death.get("time"),
    )
