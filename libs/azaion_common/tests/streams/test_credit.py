"""A reader has as many chunks under way as its buffer holds: enough for good batches, never a flood."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from azaion_common.platform.streams.rabbitmq.subscription import (
    BUFFER_BYTES,
    FIRST_CREDIT,
    MOST_CREDIT,
    Subscription,
    credit_due,
)


class Broker:
    """Stands in for a link to a broker that has ``sizes`` to send, and sends a chunk for each credit."""

    def __init__(self, sizes: list[int]) -> None:
        self.lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._sizes = sizes
        self._receiver: Callable[[Any], None] = lambda _frame: None
        self.waiting: list[int] = []
        self.most_waiting = 0

    def handle(self, _kind: type, receiver: Callable[[Any], None]) -> None:
        self._receiver = receiver

    async def credit(self, _subscription: int, credit: int) -> None:
        for _ in range(min(credit, len(self._sizes))):
            size = self._sizes.pop(0)
            self.waiting.append(size)
            self._receiver(SimpleNamespace(data=bytes(size)))
        self.most_waiting = max(self.most_waiting, sum(self.waiting))


async def read_all(sizes: list[int]) -> tuple[Broker, list[int]]:
    """The broker, and how many chunks were there to take each time."""
    count, broker, there = len(sizes), Broker(list(sizes)), []
    subscription = Subscription(broker, "in", FIRST_CREDIT)  # type: ignore[arg-type]
    await broker.credit(1, FIRST_CREDIT)
    async with asyncio.timeout(10):
        for _ in range(count):
            await subscription.chunk()
            there.append(len(broker.waiting))
            broker.waiting.pop(0)
    return broker, there


async def test_small_chunks_fill_the_buffer() -> None:
    """Where every chunk holds one small picture, the reader finds many of them, and no more than fit."""
    _, there = await read_all([50_000] * 1000)

    assert max(there) == BUFFER_BYTES // 50_000


def test_few_are_under_way_however_small() -> None:
    """Their size may change: what the broker may send at once stays within sight."""
    assert credit_due(0, 0, 1.0) == MOST_CREDIT
    assert credit_due(MOST_CREDIT - 1, 0, 1.0) == 1


async def test_large_chunks_do_not_fill_the_memory() -> None:
    """With chunks of two megabytes, no more wait than the buffer holds, once their size is known."""
    broker, there = await read_all([2 << 20] * 100)

    assert broker.most_waiting <= FIRST_CREDIT * (2 << 20)
    assert max(there[FIRST_CREDIT:]) == BUFFER_BYTES // (2 << 20)


@pytest.mark.parametrize("size", [0, 1, 3 * BUFFER_BYTES])
async def test_reading_never_stalls(size: int) -> None:
    """Chunks of any size keep coming, those that are larger than the buffer one by one."""
    _, there = await read_all([size] * 40)

    assert len(there) == 40


def test_there_is_always_one_to_wait_for() -> None:
    """With nothing under way and nothing waiting, there is a credit whatever the size."""
    assert credit_due(0, 0, 10.0 * BUFFER_BYTES) == 1
    assert credit_due(1, 0, 10.0 * BUFFER_BYTES) == 0
    assert credit_due(0, 1, 10.0 * BUFFER_BYTES) == 0
