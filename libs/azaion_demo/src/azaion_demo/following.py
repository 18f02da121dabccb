"""Folds the loop's streams into a ``LoopState`` while other processes write them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from azaion_common.contracts.events import datasets, images, models
from azaion_common.contracts.events.codec import UnknownEventType, decode
from azaion_common.platform.streams import EventLog
from azaion_demo.loop_state import LoopState

STREAMS = (images.STREAM, datasets.STREAM, models.STREAM)


class Follower:
    """Reads the streams from their beginning and on; what is waited for is a condition on the state."""

    def __init__(self, log: EventLog, on_change: Callable[[LoopState], None]) -> None:
        self.state = LoopState()
        self._log = log
        self._on_change = on_change
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[LoopState]:
        """Follow while the block runs."""
        tasks = [asyncio.create_task(self._follow(stream)) for stream in STREAMS]
        try:
            yield self.state
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, condition: Callable[[LoopState], object]) -> None:
        """Wait until ``condition`` holds.

        Raises:
            PermanentError: the failure that keeps it from ever holding.
        """
        async with self._changed:
            while not condition(self.state):
                self.state.raise_failure()
                await self._changed.wait()

    async def _follow(self, stream: str) -> None:
        async for batch in self._log.follow(stream):
            for record in batch:
                try:
                    self.state.apply(decode(record.body))
                except UnknownEventType:
                    continue
            self._on_change(self.state)
            async with self._changed:
                self._changed.notify_all()
