"""``JobQueue`` as one SQLite file that several processes may use."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from azaion_common.core.errors import PermanentError
from azaion_common.platform.database.shared_database import SharedDatabase
from azaion_common.platform.jobs import DeadJob, Job

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, job_id TEXT NOT NULL, body TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, worker TEXT, lease_until REAL NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0, over INTEGER NOT NULL DEFAULT 0, UNIQUE (queue, job_id));
CREATE INDEX IF NOT EXISTS jobs_open ON jobs (queue, id) WHERE over = 0;
"""
# A worker that looks for a job again takes what it held itself: a process that was killed holds nothing any more.
_FREE = "queue = ? AND over = 0 AND not_before <= ? AND (worker IS NULL OR worker = ? OR lease_until <= ?)"
_NEXT_FREE = (
    "SELECT min(max(not_before, CASE WHEN worker IS NULL OR worker = ? THEN 0 ELSE lease_until END)) "
    "FROM jobs WHERE queue = ? AND over = 0"
)
RECHECK_S = 60.0
"""How long a worker relies on the clock while a lease or a delay runs: clocks are set now and then."""


class SqliteJobQueue:
    """The embedded form. Use ``async with SqliteJobQueue.open(path)``."""

    def __init__(self, database: SharedDatabase) -> None:
        self._database = database

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[Self]:
        """The queues in the file ``path``, made when missing. Raises as ``SharedDatabase.open``."""
        async with SharedDatabase.open(path, _SCHEMA) as database:
            yield cls(database)

    async def put(self, queue: str, job_id: str, body: str) -> None:
        await self._write(
            "INSERT OR IGNORE INTO jobs (queue, job_id, body) VALUES (?, ?, ?)", queue, job_id, body
        )
        await self._database.doorbell.ring()

    async def take(self, queue: str, worker: str, *, lease_s: float) -> Job:
        while True:
            seen = self._database.doorbell.count
            job = await self._take(queue, worker, lease_s)
            if job is not None:
                return job
            try:
                async with asyncio.timeout(await self._silent_s(queue, worker)):
                    await self._database.doorbell.wait(seen)
            except TimeoutError:
                continue

    async def _silent_s(self, queue: str, worker: str) -> float | None:
        """How long until a lease or a delay runs out, which nothing tells of; None when none runs."""
        row = await self._database.read(
            lambda database: database.execute(_NEXT_FREE, (worker, queue)).fetchone()
        )
        return None if row[0] is None else min(max(0.0, row[0] - time.time()), RECHECK_S)

    async def _take(self, queue: str, worker: str, lease_s: float) -> Job | None:
        now = time.time()
        if not await self._database.read(lambda database: _free_job(database, queue, worker, now)):
            return None  # without the writers' lock: the common case
        return await self._database.write(lambda database: _lease(database, queue, worker, now, lease_s))

    async def renew(self, job: Job, worker: str, *, lease_s: float) -> bool:
        return await self._update(job, worker, "lease_until = ?", time.time() + lease_s)

    async def complete(self, job: Job, worker: str) -> None:
        await self._update(job, worker, "over = 1, worker = NULL, lease_until = ?", 0.0)

    async def release(self, job: Job, worker: str, *, delay_s: float) -> None:
        await self._update(job, worker, "worker = NULL, not_before = ?", time.time() + delay_s)
        await self._database.doorbell.ring()

    async def cancel(self, queue: str, job_id: str) -> bool:
        changed = await self._write(
            "UPDATE jobs SET over = 1, worker = NULL WHERE queue = ? AND job_id = ? AND over = 0",
            queue,
            job_id,
        )
        return changed > 0

    async def pending(self, queue: str) -> list[Job]:
        query = "SELECT job_id, body, attempt FROM jobs WHERE queue = ? AND over = 0 ORDER BY id"
        rows = await self._database.read(lambda database: database.execute(query, (queue,)).fetchall())
        return [Job(queue, *row) for row in rows]

    async def dead_letters(self) -> list[DeadJob]:
        """None: jobs are rows here, and every row can be handed out."""
        return []

    async def requeue(self, job_id: str) -> None:
        raise PermanentError("dead_letter_unknown", f"no dead letter is job {job_id}")

    async def _update(self, job: Job, worker: str, change: str, value: float) -> bool:
        changed = await self._write(
            f"UPDATE jobs SET {change} WHERE queue = ? AND job_id = ? AND worker = ? AND over = 0",  # noqa: S608
            value, job.queue, job.job_id, worker,
        )  # fmt: skip
        return changed > 0

    async def _write(self, statement: str, *values: str | float) -> int:
        return await self._database.write(lambda database: database.execute(statement, values).rowcount)


def _free_job(
    database: sqlite3.Connection, queue: str, worker: str, now: float
) -> tuple[int, str, str, int] | None:
    """The oldest job that ``worker`` may take: row id, job id, body, attempts so far."""
    row: tuple[int, str, str, int] | None = database.execute(
        f"SELECT id, job_id, body, attempt FROM jobs WHERE {_FREE} ORDER BY id LIMIT 1",  # noqa: S608
        (queue, now, worker, now),
    ).fetchone()
    return row


def _lease(database: sqlite3.Connection, queue: str, worker: str, now: float, lease_s: float) -> Job | None:
    row = _free_job(database, queue, worker, now)
    if row is None:
        return None
    row_id, job_id, body, attempt = row
    database.execute(
        "UPDATE jobs SET worker = ?, lease_until = ?, attempt = attempt + 1 WHERE id = ?",
        (worker, now + lease_s, row_id),
    )
    return Job(queue, job_id, body, attempt + 1)
