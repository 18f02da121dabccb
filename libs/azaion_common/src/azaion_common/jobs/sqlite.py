"""``JobQueue`` as one SQLite file that several processes may use."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from azaion_common.errors import TransientError
from azaion_common.jobs import Job
from azaion_common.storage.durable import make_folder
from azaion_common.storage.sqlite_files import open_database, write_transaction
from azaion_common.streams.doorbell import Doorbell

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, job_id TEXT NOT NULL, body TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, worker TEXT, lease_until REAL NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0, over INTEGER NOT NULL DEFAULT 0, UNIQUE (queue, job_id));
CREATE INDEX IF NOT EXISTS jobs_open ON jobs (queue, id) WHERE over = 0;
"""
# A worker that looks for a job again takes what it held itself: a process that was killed holds nothing any more.
_FREE = "queue = ? AND over = 0 AND not_before <= ? AND (worker IS NULL OR worker = ? OR lease_until <= ?)"
RECHECK_S = 1.0

Result = TypeVar("Result")


class SqliteJobQueue:
    """The embedded form. Use ``async with SqliteJobQueue.open(path)``."""

    def __init__(self, path: Path, database: sqlite3.Connection, doorbell: Doorbell) -> None:
        self._path = path
        self._database = database
        self._doorbell = doorbell
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="job-queue")

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[SqliteJobQueue]:
        """The queues in the file ``path``, made when missing."""
        await asyncio.to_thread(make_folder, path.parent)
        database = await asyncio.to_thread(open_database, path, _SCHEMA)
        async with Doorbell(path.with_suffix(".bell")) as doorbell:
            queue = cls(path, database, doorbell)
            try:
                yield queue
            finally:
                await asyncio.to_thread(queue._thread.shutdown)
                database.close()

    async def put(self, queue: str, job_id: str, body: str) -> None:
        await self._write(
            "INSERT OR IGNORE INTO jobs (queue, job_id, body) VALUES (?, ?, ?)", queue, job_id, body
        )
        await self._doorbell.ring()

    async def take(self, queue: str, worker: str, *, lease_s: float) -> Job:
        while True:
            seen = self._doorbell.count
            job = await self._in_thread(lambda: self._take(queue, worker, lease_s))
            if job is not None:
                return job
            try:
                # Leases and delays run out silently, so look again now and then as well.
                await asyncio.wait_for(self._doorbell.wait(seen), RECHECK_S)
            except TimeoutError:
                continue

    def _take(self, queue: str, worker: str, lease_s: float) -> Job | None:
        now = time.time()
        free = (queue, now, worker, now)
        if self._database.execute(f"SELECT 1 FROM jobs WHERE {_FREE}", free).fetchone() is None:  # noqa: S608
            return None  # without the writer's lock: the common case
        with write_transaction(self._path, self._database) as database:
            row = database.execute(
                f"SELECT id, job_id, body, attempt FROM jobs WHERE {_FREE} ORDER BY id LIMIT 1",  # noqa: S608
                free,
            ).fetchone()
            if row is None:
                return None
            row_id, job_id, body, attempt = row
            database.execute(
                "UPDATE jobs SET worker = ?, lease_until = ?, attempt = attempt + 1 WHERE id = ?",
                (worker, now + lease_s, row_id),
            )
        return Job(queue, job_id, body, attempt + 1)

    async def renew(self, job: Job, worker: str, *, lease_s: float) -> bool:
        return await self._update(job, worker, "lease_until = ?", time.time() + lease_s)

    async def complete(self, job: Job, worker: str) -> None:
        await self._update(job, worker, "over = 1, worker = NULL, lease_until = ?", 0.0)

    async def release(self, job: Job, worker: str, *, delay_s: float) -> None:
        await self._update(job, worker, "worker = NULL, not_before = ?", time.time() + delay_s)
        await self._doorbell.ring()

    async def cancel(self, queue: str, job_id: str) -> bool:
        changed = await self._write(
            "UPDATE jobs SET over = 1, worker = NULL WHERE queue = ? AND job_id = ? AND over = 0",
            queue,
            job_id,
        )
        return changed > 0

    async def pending(self, queue: str) -> list[Job]:
        query = "SELECT job_id, body, attempt FROM jobs WHERE queue = ? AND over = 0 ORDER BY id"
        rows = await self._in_thread(lambda: self._database.execute(query, (queue,)).fetchall())
        return [Job(queue, *row) for row in rows]

    async def _update(self, job: Job, worker: str, change: str, value: float) -> bool:
        changed = await self._write(
            f"UPDATE jobs SET {change} WHERE queue = ? AND job_id = ? AND worker = ? AND over = 0",  # noqa: S608
            value, job.queue, job.job_id, worker,
        )  # fmt: skip
        return changed > 0

    async def _write(self, statement: str, *values: str | float) -> int:
        def write() -> int:
            with write_transaction(self._path, self._database) as database:
                return database.execute(statement, values).rowcount

        return await self._in_thread(write)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.OperationalError as error:
            raise TransientError("queue_unavailable", f"the job queue cannot be used now: {error}") from error
