"""Several transfers at once, their results in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

Result = TypeVar("Result")


async def in_order(
    work: AsyncGenerator[Coroutine[Any, Any, Result], None], *, at_once: int
) -> AsyncGenerator[Result, None]:
    """Run ``work`` with no more than ``at_once`` under way. Whoever stops early, by an error too, ends all of it."""
    running: deque[asyncio.Task[Result]] = deque()
    try:
        async with aclosing(work):
            async for coroutine in work:
                running.append(asyncio.create_task(coroutine))
                if len(running) == at_once:
                    yield await running[0]
                    running.popleft()
        while running:
            yield await running[0]
            running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
