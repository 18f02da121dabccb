"""Why the job queue supervises its own connections: what ``aio_pika.connect_robust`` does when a broker fails.

Measured with aio-pika 10.2.1 and RabbitMQ 4.0.5. If one of these fails, a new version behaves otherwise: look again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue, AbstractRobustConnection
from faulttest.figures import tell
from testservers.rabbitmq import PrivateRabbit

NAMES = ("a", "b", "c", "d")
DEAD = "e"
OLD_S = 3.0
"""RabbitMQ has written the name of a queue down by then; one that is younger in a crash never answers again."""
RECOVERED = 5
"""Messages per queue, sent and received, that prove it."""
_ERRORS = (*aio_pika.exceptions.CONNECTION_EXCEPTIONS, TimeoutError)


@dataclass
class RobustUser:
    """Several queues, each with a channel to publish and one to consume, as the documentation shows it."""

    connection: AbstractRobustConnection
    published: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    publishers: list[asyncio.Task[None]] = field(default_factory=list)
    kept: list[AbstractQueue] = field(default_factory=list)

    async def begin(self) -> None:
        for name in NAMES:
            channel = await self.connection.channel()
            await channel.set_qos(prefetch_count=10)
            await self.consume(channel, name)
            publishing = await self.connection.channel(on_return_raises=True)
            self.publishers.append(asyncio.create_task(self._publish(publishing, name)))

    async def consume(self, channel: AbstractChannel, name: str) -> None:
        queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.consume(self._receive)
        self.kept.append(queue)

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        self.received[message.routing_key or ""] += 1
        try:
            await message.ack()
        except _ERRORS:
            return  # it will be delivered again

    async def _publish(self, channel: AbstractChannel, name: str) -> None:
        while True:
            try:
                await channel.default_exchange.publish(aio_pika.Message(b"x"), routing_key=name)
                self.published[name] += 1
            except _ERRORS:
                await asyncio.sleep(0.2)
            await asyncio.sleep(0.02)

    async def seconds_until_all_flow(self, limit_s: float) -> float:
        started = time.monotonic()
        self.published.clear()
        self.received.clear()
        async with asyncio.timeout(limit_s):
            while not all(
                min(counts[name] for name in NAMES) >= RECOVERED for counts in (self.published, self.received)
            ):
                await asyncio.sleep(0.05)
        return time.monotonic() - started

    async def end(self) -> None:
        for task in self.publishers:
            task.cancel()
        await asyncio.gather(*self.publishers, return_exceptions=True)
        await asyncio.wait_for(self.connection.close(), 20)


@pytest.mark.faults
@pytest.mark.timeout(180)
async def test_it_recovers_from_a_killed_broker(fresh_rabbitmq: PrivateRabbit) -> None:
    """Several queues and channels flow again after each ``kill -9``, when the broker has all queues as before."""
    user = RobustUser(await aio_pika.connect_robust(fresh_rabbitmq.amqp_url))
    await user.begin()
    await asyncio.sleep(OLD_S)
    try:
        for _ in range(2):
            await user.seconds_until_all_flow(20)
            await asyncio.to_thread(fresh_rabbitmq.kill)
            await asyncio.to_thread(fresh_rabbitmq.start)
            took_s = await user.seconds_until_all_flow(30)
            tell(f"connect_robust recovered {took_s:.1f} s after the broker was back")
    finally:
        await user.end()


@pytest.mark.faults
@pytest.mark.timeout(180)
async def test_one_queue_that_does_not_answer_keeps_all_others_waiting(fresh_rabbitmq: PrivateRabbit) -> None:
    """A queue made just before the crash comes back dead, and the connection waits for it for ever, restoring no other."""
    user = RobustUser(await aio_pika.connect_robust(fresh_rabbitmq.amqp_url))
    await user.begin()
    try:
        await user.seconds_until_all_flow(20)
        await asyncio.sleep(OLD_S)
        for queue in list(user.kept):
            await user.consume(queue.channel, DEAD)
        await asyncio.to_thread(fresh_rabbitmq.kill)
        await asyncio.to_thread(fresh_rabbitmq.start)

        with pytest.raises(TimeoutError):
            await user.seconds_until_all_flow(30)
        async with await aio_pika.connect(fresh_rabbitmq.amqp_url) as other, other.channel() as channel:
            for name in NAMES:
                await channel.default_exchange.publish(aio_pika.Message(b"x"), routing_key=name, timeout=5)
    finally:
        await user.end()


@pytest.mark.faults
@pytest.mark.timeout(120)
async def test_a_loop_over_its_messages_ends_with_the_connection_they_came_by(
    fresh_rabbitmq: PrivateRabbit,
) -> None:
    """Acknowledging what came by the lost connection raises inside the reader's loop, and ends it unless caught."""
    connection = await aio_pika.connect_robust(fresh_rabbitmq.amqp_url)
    channel = await connection.channel()
    queue = await channel.declare_queue("q", durable=True, arguments={"x-queue-type": "quorum"})
    await channel.default_exchange.publish(aio_pika.Message(b"x"), routing_key="q")
    arrived, acknowledge = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        async with queue.iterator() as messages:
            async for message in messages:
                arrived.set()
                await acknowledge.wait()
                await message.ack()

    reader = asyncio.create_task(read())
    await arrived.wait()
    await asyncio.to_thread(fresh_rabbitmq.kill)
    await asyncio.to_thread(fresh_rabbitmq.start)
    acknowledge.set()

    with pytest.raises(_ERRORS):
        await asyncio.wait_for(reader, 20)
    await asyncio.wait_for(connection.close(), 20)


@pytest.mark.faults
@pytest.mark.timeout(120)
async def test_a_stuck_broker_ends_its_users_as_if_they_had_been_cancelled(
    fresh_rabbitmq: PrivateRabbit,
) -> None:
    """Every task that publishes is over when the connection is given up: cancelled, by nobody, and for good."""
    user = RobustUser(await aio_pika.connect_robust(fresh_rabbitmq.amqp_url, heartbeat=1))
    await user.begin()
    try:
        await user.seconds_until_all_flow(20)
        fresh_rabbitmq.freeze()
        done, _ = await asyncio.wait(user.publishers, timeout=30)
        fresh_rabbitmq.thaw()

        assert len(done) == len(NAMES)
        assert all(task.cancelled() and task.cancelling() == 0 for task in done)
        with pytest.raises(TimeoutError):
            await user.seconds_until_all_flow(12)
    finally:
        await user.end()
