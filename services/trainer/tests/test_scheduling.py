"""How often the schedule looks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from azaion_common.platform.database.engine import sqlite_url
from azaion_common.platform.jobs import Job
from azaion_common.platform.jobs.sqlite import SqliteJobQueue
from azaion_common.platform.ledger.ledger import Ledger
from azaion_trainer import scheduling
from azaion_trainer.schedule import ScheduleRules
from azaion_trainer.scheduling import Scheduler
from azaion_trainer.tables import METADATA


class CountingQueue(SqliteJobQueue):
    """Counts how often it was asked what is pending."""

    asked = 0

    async def pending(self, queue: str) -> list[Job]:
        self.asked += 1
        return await super().pending(queue)


async def test_the_schedule_looks_again_only_when_the_ledger_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without enough new pictures nothing is asked, however long it lasts; a change of the ledger is looked at."""
    monkeypatch.setattr(scheduling, "INTERVAL_S", 0.005)
    stopping, rules = asyncio.Event(), ScheduleRules(min_new_pictures=5, quiet_s=0)
    async with (
        Ledger.open(sqlite_url(tmp_path / "trainer.sqlite"), "trainer", METADATA) as ledger,
        CountingQueue.open(tmp_path / "queue.sqlite") as jobs,
    ):
        running = asyncio.create_task(Scheduler(ledger, jobs, rules, 300).run(stopping))
        await asyncio.sleep(0.2)
        assert jobs.asked == 1
        await ledger.transact(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
        async with asyncio.timeout(10):
            while jobs.asked < 2:
                await asyncio.sleep(0.005)
        stopping.set()
        await running
