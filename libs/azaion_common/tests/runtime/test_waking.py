"""Readers and workers in other processes are woken, not left to look now and then."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from azaion_common.platform.database import doorbell
from azaion_common.platform.jobs.sqlite import SqliteJobQueue
from azaion_common.platform.streams.sqlite import SqliteEventLog

Started = Callable[..., subprocess.Popen[str]]

WRITER = """
import asyncio, sys
from pathlib import Path
from azaion_common.platform.jobs.sqlite import SqliteJobQueue
from azaion_common.platform.streams import Message
from azaion_common.platform.streams.sqlite import SqliteEventLog

async def main(folder):
    async with SqliteEventLog.open(folder / "log.sqlite") as log, SqliteJobQueue.open(folder / "queue.sqlite") as jobs:
        await log.append("bread", [Message(b"loaf")])
        await jobs.put("ovens", "job-1", "bake")

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.fixture(autouse=True)
def no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wakes up in these tests was woken."""
    monkeypatch.setattr(doorbell, "HEARTBEAT_S", 600.0)
    monkeypatch.setattr("azaion_common.platform.jobs.sqlite.RECHECK_S", 600.0)


async def test_a_reader_and_a_worker_are_woken_by_another_process(tmp_path: Path, started: Started) -> None:
    """Both wait before the writer starts, and have the news when it has written."""
    (tmp_path / "writer.py").write_text(WRITER)
    async with (
        SqliteEventLog.open(tmp_path / "log.sqlite") as log,
        SqliteJobQueue.open(tmp_path / "queue.sqlite") as jobs,
        aclosing(log.follow("bread")) as reading,  # type: ignore[type-var]
    ):
        record = asyncio.ensure_future(anext(reading))
        job = asyncio.create_task(jobs.take("ovens", "baker", lease_s=5))
        await asyncio.sleep(0.3)
        assert not record.done()
        assert not job.done()
        writer = started(tmp_path / "writer.py", tmp_path)
        async with asyncio.timeout(30):
            assert [each.body for each in await record] == [b"loaf"]
            assert (await job).job_id == "job-1"
    assert await asyncio.to_thread(writer.wait) == 0


async def test_rings_between_looking_and_waiting_are_not_missed(tmp_path: Path) -> None:
    """Who notes the count before looking is woken by a ring that comes before the wait."""
    async with doorbell.Doorbell(tmp_path / "a.bell") as bell:
        seen = bell.count
        await bell.ring()
        async with asyncio.timeout(10):
            await bell.wait(seen)
        assert bell.count > seen
