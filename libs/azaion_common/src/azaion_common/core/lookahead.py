"""An iterator that is one item ahead of who takes its items."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

IN_HAND = 4
"""Items at most, which may be large: the one that is handled, the one that follows it, and two behind them, so
that neither reading nor handling waits for the other."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _End:
    error: Exception | None = None


async def with_following(items: AsyncIterator[Item]) -> AsyncGenerator[tuple[Item, Item | None], None]:
    """Each item, and the one after it where that has come by now; nothing is waited for but the item itself.

    An error of ``items`` is raised behind the items that came before it. Use ``contextlib.aclosing`` where iteration may
    end early: it closes ``items`` too.
    """
    queue: asyncio.Queue[Item | _End] = asyncio.Queue()
    room = asyncio.Semaphore(IN_HAND)
    fetching = asyncio.create_task(_fetch(items, queue, room))
    try:
        item = await queue.get()
        while not isinstance(item, _End):
            await asyncio.sleep(0)  # what has been fetched already comes in
            following = None if queue.empty() else queue.get_nowait()
            yield item, None if isinstance(following, _End) else following
            room.release()
            item = await queue.get() if following is None else following
        if item.error is not None:
            raise item.error
    finally:
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)


async def _fetch(
    items: AsyncIterator[Item], queue: asyncio.Queue[Item | _End], room: asyncio.Semaphore
) -> None:
    try:
        async with aclosing(items) as source:  # type: ignore[type-var]
            await room.acquire()
            async for item in source:
                queue.put_nowait(item)
                await room.acquire()
    except Exception as error:  # noqa: BLE001 - raised where the items are taken
        queue.put_nowait(_End(error))
    else:
        queue.put_nowait(_End())
