"""Memory does not grow with what waits."""

from __future__ import annotations

import asyncio
import time

import psutil
import pytest
from faulttest.driver import all_clean, settled, summary, until, verdicts
from faulttest.figures import tell
from faulttest.rig import Rig

_SIZE_BYTES = 20_000
_SMALL, _LARGE = 2_000, 20_000
"""The smaller one is more than a reader's buffer holds."""
_ALLOWANCE_BYTES = 32 << 20


@pytest.mark.faults
@pytest.mark.timeout(600)
async def test_memory_is_flat_with_ten_times_the_backlog(faults: Rig) -> None:
    """Ten times as much waiting takes as much memory and ten times as long, and nothing is lost or done twice."""
    small, _ = await work_off(faults, _SMALL, "small")
    large, seconds = await work_off(faults, _LARGE, "large")
    rate = f"{_LARGE / seconds:.0f}/s"
    tell(f"peak memory {small >> 20} MiB, with ten times the backlog {large >> 20} MiB, {rate}")

    assert large < small + _ALLOWANCE_BYTES


async def work_off(faults: Rig, backlog: int, name: str) -> tuple[int, float]:
    """Peak memory of a process that finds ``backlog`` inputs waiting, and how long it needs for them."""
    async with faults.writing(name=name, pause_s=0, size_bytes=_SIZE_BYTES) as writer:
        await until(lambda: len(writer.acknowledged) >= backlog, "inputs", 300)
    faults.child.start()
    await until(lambda: faults.child.ready, "start")
    watching = asyncio.create_task(_peak(faults.child.running.pid or 0))
    started = time.monotonic()
    await settled(faults.database, writer)
    seconds = time.monotonic() - started
    await faults.child.terminate()
    found = verdicts(faults.database, writer)
    tell(summary(found, writer, seconds=f"{seconds:.1f}"))
    assert all_clean(found), found
    return await watching, seconds


async def _peak(pid: int) -> int:
    peak, process = 0, psutil.Process(pid)
    try:
        while True:
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.05)
    except psutil.Error:
        return peak
