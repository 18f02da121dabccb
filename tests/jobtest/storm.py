"""Load on a job queue that goes on whatever happens, and the judgement of what became of it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, MetaData

from azaion_common.core.errors import AzaionError, TransientError
from azaion_common.platform.database.engine import sqlite_url
from azaion_common.platform.jobs import Job, JobQueue
from azaion_common.platform.ledger.handler import Effect
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.worker import Finish, JobWorker

RECOVERY_S = 30.0


async def put_until_done(jobs: JobQueue, job_id: str, limit_s: float = RECOVERY_S, queue: str = "q") -> None:
    """As the relay does it."""
    async with asyncio.timeout(limit_s):
        while True:
            try:
                return await jobs.put(queue, job_id, "x")
            except TransientError:
                await asyncio.sleep(0.2)


@dataclass
class Storm:
    """Putters and workers that go on whatever happens, and what they note."""

    folder: Path
    jobs: JobQueue
    put: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    workers: tuple[str, ...] = ("first", "second")

    @asynccontextmanager
    async def blowing(self) -> AsyncIterator[None]:
        stopping = asyncio.Event()
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for name in self.workers:
                ledger = await stack.enter_async_context(Ledger.open(self._url(name), name, MetaData()))
                worker = JobWorker(jobs=self.jobs, ledger=ledger, queue="q", run=self._run, failed=_failed)
                group.create_task(worker.run(stopping))
            putters = [group.create_task(self._put(name)) for name in ("a", "b")]
            yield
            self.over.set()
            await asyncio.wait(putters)
            while await self.jobs.pending("q"):
                await asyncio.sleep(0.5)
            stopping.set()

    async def _put(self, name: str) -> None:
        number = 0
        while not self.over.is_set():
            number += 1
            await put_until_done(self.jobs, f"{name}{number}", 120)
            self.put.append(f"{name}{number}")
            await asyncio.sleep(0.03)

    async def _run(self, job: Job) -> Finish:
        await asyncio.sleep(0.002)
        self.done[job.job_id] += 1
        return lambda _connection: ()

    async def seconds_until_all_flows(self) -> float:
        started, put, done = time.monotonic(), len(self.put), self.done.total()
        async with asyncio.timeout(RECOVERY_S):
            while len(self.put) < put + 5 or self.done.total() < done + 5:
                await asyncio.sleep(0.05)
        return time.monotonic() - started

    def problems(self) -> list[str]:
        """By the workers' ledgers alone."""
        recorded: Counter[str] = Counter()
        for name in self.workers:
            with closing(sqlite3.connect(self._url(name).removeprefix("sqlite:///"))) as database, database:
                recorded.update(row[0] for row in database.execute("SELECT job_id FROM jobs_done"))
        wanted = Counter(self.put)
        return [
            *(f"lost: {name}" for name in wanted - recorded),
            *(f"twice: {name}" for name, count in recorded.items() if count > 1),
            *(f"phantom: {name}" for name in recorded.keys() - wanted.keys()),
        ]

    def _url(self, worker: str) -> str:
        return sqlite_url(self.folder / f"{worker}.sqlite")


def _failed(_connection: Connection, _job: Job, _error: AzaionError) -> Iterable[Effect]:
    raise AssertionError
