"""Bytes of a semaphore are never held twice, and are given in order."""

from __future__ import annotations

import asyncio

from azaion_common.core.byte_semaphore import ByteSemaphore


async def test_no_more_than_there_is_room_for() -> None:
    """All get in, in the order in which they came, and never more at a time than fit; what fits nowhere goes alone."""
    semaphore, inside, seen = ByteSemaphore(10), [], []

    async def visit(size_bytes: int) -> None:
        async with semaphore.hold(size_bytes):
            inside.append(size_bytes)
            seen.append(size_bytes)
            assert sum(inside) <= 10 or inside == [size_bytes]
            await asyncio.sleep(0.001)
            inside.remove(size_bytes)

    sizes = [3, 3, 9, 1, 1, 30, 2, 10, 4]
    await asyncio.wait_for(asyncio.gather(*map(visit, sizes)), 5)

    assert seen == sizes
