"""A taker that has enough leaves nothing on its way behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from azaion_common.platform.jobs.rabbitmq.intake import Arrivals

Callback = Callable[[Any], Awaitable[None]]


class Broker:
    """Queue and channels, as the client shows them: a message goes through two tasks before its callback has it."""

    name = "q"

    def __init__(self) -> None:
        self.on_consumer_cancel_callbacks: set[Any] = set()
        self.close_callbacks: set[Any] = set()
        self.channel = self
        self._tasks: list[asyncio.Task[None]] = []

    async def get_underlay_channel(self) -> Broker:
        return self

    async def consume(self, callback: Callback) -> str:
        self._callback = callback
        return "tag"

    async def cancel(self, tag: str) -> None:
        """The last message came just before the answer, in the same packet."""
        self._tasks.append(asyncio.create_task(self._delivered("last")))

    async def basic_qos(self, *, prefetch_count: int) -> None:
        await asyncio.sleep(0.001)  # there and back

    async def _delivered(self, message: str) -> None:
        await asyncio.create_task(self._handed_over(message))

    async def _handed_over(self, message: str) -> None:
        await self._callback(message)


async def test_a_message_that_comes_together_with_the_goodbye_is_kept() -> None:
    """Given back, it would count as one that was delivered in vain, and soon be poison."""
    moved: list[Any] = []

    async def move(message: Any) -> None:
        moved.append(message)

    arrivals = Arrivals(Broker(), move)  # type: ignore[arg-type]
    await arrivals.begin()
    await arrivals.end()

    assert moved == ["last"]
