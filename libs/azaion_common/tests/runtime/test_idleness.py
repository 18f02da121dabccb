"""Whoever waits for news sleeps: an idle installation takes nearly nothing of a processor."""

from __future__ import annotations

import asyncio
import resource
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from azaion_common.platform.database import doorbell
from azaion_common.platform.database.doorbell import Doorbell
from azaion_common.platform.database.engine import sqlite_url
from azaion_common.platform.jobs.sqlite import SqliteJobQueue
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.runtime.health import Health
from azaion_common.platform.runtime.ops_server import ops_server
from azaion_common.platform.streams.sqlite import SqliteEventLog

WATCHED_S = 1.0
MOST_WAKINGS = 10


@pytest.mark.slow
async def test_who_waits_for_a_log_a_queue_and_a_request_sleeps(tmp_path: Path) -> None:
    """A reader, a worker and the health server together wake less than ten times a second (it was four hundred)."""
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(SqliteEventLog.open(tmp_path / "log.sqlite"))
        jobs = await stack.enter_async_context(SqliteJobQueue.open(tmp_path / "queue.sqlite"))
        await stack.enter_async_context(ops_server(Health(), "127.0.0.1", 0, tmp_path / "run" / "ops.json"))
        reading = await stack.enter_async_context(aclosing(log.follow("bread")))  # type: ignore[type-var]
        waiting = [
            asyncio.ensure_future(anext(reading)),
            asyncio.ensure_future(jobs.take("ovens", "baker", lease_s=5)),
        ]
        await asyncio.sleep(0.3)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
        await asyncio.sleep(WATCHED_S)
        wakings = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    assert wakings < MOST_WAKINGS * WATCHED_S


async def test_a_worker_wakes_when_a_delay_runs_out(tmp_path: Path) -> None:
    """Nothing tells of the end of a delay or of a lease, so a worker wakes by itself exactly then."""
    async with SqliteJobQueue.open(tmp_path / "queue.sqlite") as jobs:
        assert await jobs._silent_s("ovens", "baker") is None
        await jobs.put("ovens", "job-1", "bake")
        job = await jobs.take("ovens", "baker", lease_s=50)
        assert 40 < (await jobs._silent_s("ovens", "other") or 0) <= 50
        await jobs.release(job, "baker", delay_s=0.2)
        async with asyncio.timeout(10):
            assert (await jobs.take("ovens", "other", lease_s=5)).job_id == "job-1"


async def test_a_writer_that_died_before_it_rang_is_noticed(tmp_path: Path) -> None:
    """What was written without a ring wakes readers at the next heartbeat; a heartbeat without news wakes nobody."""
    written = tmp_path / "a.sqlite-wal"
    async with Doorbell(tmp_path / "a.bell", written=[written]) as bell:
        seen = bell.count
        bell._beat()
        assert bell.count == seen
        written.write_bytes(b"committed")
        bell._beat()
        assert bell.count > seen


async def test_without_word_from_the_kernel_readers_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the kernel has no more watches, or none at all, rings of other processes arrive all the same."""
    monkeypatch.setattr(doorbell, "_watch", lambda _folder: None)
    async with Doorbell(tmp_path / "a.bell") as mine, Doorbell(tmp_path / "a.bell") as theirs:
        seen = mine.count
        await theirs.ring()
        async with asyncio.timeout(10):
            await mine.wait(seen)


async def test_a_ledger_tells_cheaply_whether_anybody_wrote(tmp_path: Path) -> None:
    """The stamp stays while nobody writes, and changes with a commit of any process."""
    url = sqlite_url(tmp_path / "bakery.sqlite")
    async with (
        Ledger.open(url, "bakery", MetaData()) as mine,
        Ledger.open(url, "bakery", MetaData(), exclusive=False) as theirs,
    ):
        stamp = mine.stamp()
        await mine.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
        assert stamp is not None
        assert mine.stamp() == stamp
        await theirs.transact(lambda connection: connection.exec_driver_sql("CREATE TABLE loaves (a)"))
        assert mine.stamp() != stamp
