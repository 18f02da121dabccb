"""Several pieces of work at a time, of which none outlives the failure of another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable


async def all_ended(work: Iterable[Awaitable[None]]) -> None:
    """Wait until all of them have ended; then raise the first one's error, if there is any.

    A ``TaskGroup`` would cancel the others, but not the threads that they wait for, which may still write a file.
    """
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if outcome is not None:
            raise outcome
