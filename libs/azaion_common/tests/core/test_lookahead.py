"""Looking one item ahead changes neither items nor their order, and waits for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from azaion_common.core.lookahead import IN_HAND, with_following


async def numbers(count: int, pause_s: float = 0.0, error: Exception | None = None) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(pause_s)
        yield number
    if error is not None:
        raise error


async def test_who_is_slow_sees_what_follows() -> None:
    """Each item once, in order, with the next one as soon as somebody has taken their time."""
    seen = []
    async for item, following in with_following(numbers(4)):
        seen.append((item, following))
        await asyncio.sleep(0.01)

    assert [item for item, _ in seen] == [0, 1, 2, 3]
    assert seen[1:] == [(1, 2), (2, 3), (3, None)]


async def test_an_item_does_not_wait_for_the_next() -> None:
    """An item that comes alone is handed on at once."""
    async with asyncio.timeout(1), aclosing(with_following(numbers(2, pause_s=0.1))) as pairs:
        assert await anext(pairs) == (0, None)
        assert await anext(pairs) == (1, None)


async def test_an_error_comes_behind_the_items_before_it() -> None:
    """What was read before the source failed is handed out first."""
    async with aclosing(with_following(numbers(2, error=ZeroDivisionError()))) as pairs:
        assert (await anext(pairs))[0] == 0
        await asyncio.sleep(0.01)
        assert await anext(pairs) == (1, None)
        with pytest.raises(ZeroDivisionError):
            await anext(pairs)


async def test_the_source_is_closed_with_it() -> None:
    """Who stops early leaves nothing running."""
    closed = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    items = source()  # held, so that nobody but the iterator can have closed it
    async with aclosing(with_following(items)) as pairs:
        await anext(pairs)
        await asyncio.sleep(0.01)

    assert closed.is_set()
    assert len(asyncio.all_tasks()) == 1


async def test_no_item_is_fetched_far_ahead() -> None:
    """Items may be large: there are never more than three, the one that is handled among them."""
    fetched = 0

    async def source() -> AsyncIterator[int]:
        nonlocal fetched
        for fetched in range(1, 9):
            yield fetched

    handled = 0
    async for _ in with_following(source()):
        await asyncio.sleep(0.01)
        assert fetched - handled <= IN_HAND
        handled += 1
