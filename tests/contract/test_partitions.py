"""Partitioned streams: who has which part, and where what goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from testservers.fault_proxy import FaultProxy
from testservers.given import GivenRabbit
from testservers.locations import stream_location
from testservers.rabbitmq import PrivateRabbit

from azaion_common.core.errors import PermanentError
from azaion_common.platform.streams import EventLog, Message
from azaion_common.platform.streams.partitions import Partitioning
from azaion_common.platform.streams.rabbitmq import RabbitEventLog, StreamsLocation

PARTS = Partitioning({"images": 4})
OpenParts = Callable[[], AbstractAsyncContextManager[RabbitEventLog]]


@pytest.fixture
def open_parts(rabbitmq: PrivateRabbit | GivenRabbit, vhost: str) -> OpenParts:
    location = stream_location(rabbitmq, vhost)
    return lambda: RabbitEventLog.open(location, name="test", partitioning=PARTS)


@dataclass
class Member:
    """A process that takes its turns at all parts."""

    held: set[str] = field(default_factory=set)
    had: int = 0

    async def work(self, log: EventLog, stream: str) -> None:
        async for ending in log.turns(stream, group="augmentor"):
            self.held.add(stream)
            self.had += 1
            await ending.wait()
            await asyncio.sleep(0.05)  # the batch in hand
            self.held.discard(stream)


@asynccontextmanager
async def member(open_parts: OpenParts) -> AsyncIterator[Member]:
    """A member of the group while the block runs; it leaves as a process that is killed does."""
    result = Member()
    async with open_parts() as log:
        tasks = [asyncio.create_task(result.work(log, stream)) for stream in PARTS.streams("images")]
        try:
            yield result
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.02)


async def test_members_share_the_parts(open_parts: OpenParts) -> None:
    """One member has all parts; a second gets half of them, one at a time; when it goes, the first has all again."""
    every = set(PARTS.streams("images"))
    async with member(open_parts) as first:
        await until(lambda: first.held == every)
        async with member(open_parts) as second:
            overlaps: list[set[str]] = []
            watching = asyncio.create_task(_watch(first, second, overlaps))
            await until(lambda: len(first.held) == len(second.held) == 2)
            await asyncio.sleep(0.5)
            assert first.held | second.held == every
            watching.cancel()
        await until(lambda: first.held == every)

    assert overlaps == []


async def _watch(first: Member, second: Member, overlaps: list[set[str]]) -> None:
    while True:
        if both := first.held & second.held:
            overlaps.append(both)
        await asyncio.sleep(0.005)


async def test_a_member_that_loses_its_connection_joins_again(
    proxied_location: StreamsLocation, stream_proxy: FaultProxy
) -> None:
    """A turn ends with the connection, and the member takes the next one by itself."""
    every = set(PARTS.streams("images"))
    async with member(lambda: RabbitEventLog.open(proxied_location, name="test", partitioning=PARTS)) as only:
        await until(lambda: only.held == every)
        await asyncio.to_thread(stream_proxy.reset)
        await until(lambda: only.had == 2 * len(every) and only.held == every)


async def test_parts_are_as_the_settings_say_or_nothing_works(
    open_parts: OpenParts, rabbitmq: PrivateRabbit, vhost: str
) -> None:
    """Another number of parts would send pictures to other ledgers: it is refused."""
    async with open_parts() as log:
        await log.append("images-1", [Message(b"x", seq=1)], producer="p")
    other = RabbitEventLog.open(
        stream_location(rabbitmq, vhost), name="test", partitioning=Partitioning({"images": 6})
    )
    async with other as log:
        with pytest.raises(PermanentError) as refused:
            await log.append("images-5", [Message(b"x", seq=1)], producer="p")

    assert refused.value.code == "partitions_differ"


def test_a_key_stays_in_its_part() -> None:
    """The part follows from key and number of parts, as RabbitMQ's clients for Java and .NET compute it, and all parts are used."""
    found = [PARTS.stream_for("images", f"picture-{index}") for index in range(200)]

    assert found == [PARTS.stream_for("images", f"picture-{index}") for index in range(200)]
    assert set(found) == set(PARTS.streams("images"))
    assert PARTS.stream_for("other", "picture") == "other"
    assert Partitioning({"invoices": 3}).stream_for("invoices", "hello1") == "invoices-1"
