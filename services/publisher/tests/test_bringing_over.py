"""Releases of version 0.1: what devices need of them comes to where devices may look."""

from __future__ import annotations

import asyncio
from typing import Any

from azaion_publisher.bringing_over import bring_over


async def test_the_current_release_of_each_target_is_brought_over_once(bench: Any) -> None:
    """Announced by version 0.1, which kept big halves among the pictures: the newest of a target moves, older ones stay."""
    halves = []
    for number in (1, 2):
        await bench.publish(export=await bench.another_export(number))
        halves.append((await bench.events())[-1].big.sha256)
    for sha256 in halves:
        await bench.platform.blobs.put(await bench.releases.get(sha256), "application/octet-stream")
        await bench.releases.delete(sha256)
    work = bench.platform.home / "publisher"

    copied = [
        await bring_over(bench.platform.log, bench.platform.blobs, bench.releases, work) for _ in range(2)
    ]

    assert copied == [1, 0]
    assert [blob.sha256 async for blob in bench.releases.list()] == [halves[1]]
    assert await asyncio.to_thread(lambda: list(work.iterdir())) == []


async def test_a_half_that_nobody_has_any_more_keeps_nothing_from_starting(bench: Any) -> None:
    """Deleted by hand, say: the publisher goes on, and publishing the model again mends it."""
    await bench.publish()
    (event,) = await bench.events()
    await bench.releases.delete(event.big.sha256)

    work = bench.platform.home / "publisher"

    assert await bring_over(bench.platform.log, bench.platform.blobs, bench.releases, work) == 0
