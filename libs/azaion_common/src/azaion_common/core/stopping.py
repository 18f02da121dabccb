"""Waiting for something, but not longer than until the process is asked to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

Item = TypeVar("Item")


async def unless_stopped(stopping: asyncio.Event, work: Coroutine[Any, Any, Item]) -> Item | None:
    """The result of ``work``, or None when ``stopping`` was set first (``work`` is cancelled then)."""
    task = asyncio.create_task(work)
    stop = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        task.cancel()
        await asyncio.wait({task})
    return None if task.cancelled() else task.result()


async def items_until_stopped(stopping: asyncio.Event, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
    """Items until ``stopping`` is set; what is being done with the last one is not interrupted."""
    async with aclosing(items) as source:  # type: ignore[type-var]
        while not stopping.is_set():
            item = await unless_stopped(stopping, _next(source))
            if item is None:
                return
            yield item


async def _next(items: AsyncIterator[Item]) -> Item | None:
    try:
        return await anext(items)
    except StopAsyncIteration:
        return None
