"""The job worker's promise: a job ends once, with its effects, across failures, restarts and cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, MetaData

from azaion_common.contracts.events import ImageDeleted, images
from azaion_common.contracts.events.codec import decode
from azaion_common.core.errors import AzaionError, PermanentError, SetupError, TransientError
from azaion_common.platform.jobs import Job, JobQueue
from azaion_common.platform.ledger import tables
from azaion_common.platform.ledger.handler import Effect, NewJob, Outgoing
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.worker import Finish, JobWorker
from azaion_common.platform.runtime.platform import Platform
from azaion_common.testing import platform as open_platform

Run = Callable[[Job], Awaitable[Finish]]


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    async with open_platform(tmp_path) as opened:
        yield opened


def announcing(job: Job) -> Finish:
    return lambda _connection: [Outgoing(images.STREAM, ImageDeleted(name=f"did-{job.job_id}"), job.job_id)]


def failing(_connection: Connection, job: Job, error: AzaionError) -> Iterable[Effect]:
    return [Outgoing(images.STREAM, ImageDeleted(name=f"{error.code}-{job.job_id}"), job.job_id)]


class Unsteady:
    """A queue that cannot be reached each first time that a job is to be completed or given back."""

    def __init__(self, jobs: JobQueue) -> None:
        self._jobs = jobs
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jobs, name)

    async def complete(self, job: Job, worker: str) -> None:
        self._refuse_at_first()
        await self._jobs.complete(job, worker)

    async def release(self, job: Job, worker: str, *, delay_s: float) -> None:
        self._refuse_at_first()
        await self._jobs.release(job, worker, delay_s=delay_s)

    def _refuse_at_first(self) -> None:
        self.refused += 1
        if self.refused % 2:
            raise TransientError("jobs_unavailable", "away")


@pytest.mark.slow
async def test_outages_of_the_queue_do_not_end_the_worker(platform: Platform) -> None:
    """A job that cannot be completed or given back for now is, once the queue can be reached; it still ends once."""
    tries = 0

    async def run(job: Job) -> Finish:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise TransientError("store_unavailable", "away")
        return announcing(job)

    unsteady = replace(platform, jobs=Unsteady(platform.jobs))
    async with working(unsteady, run) as ledger:
        await ledger.transact(lambda connection: ledger.emit(connection, [NewJob("q", "1", "{}")]))
        assert await outcomes(ledger, 1) == ["done"]
        async with asyncio.timeout(5):
            while await platform.jobs.pending("q"):
                await asyncio.sleep(0.02)

    assert tries == 2
    assert await announced(platform) == ["did-1"]


@asynccontextmanager
async def working(platform: Platform, run: Run) -> AsyncIterator[Ledger]:
    """A worker at work on queue ``q``."""
    async with platform.open_ledger("service", MetaData()) as ledger:
        worker = JobWorker(jobs=platform.jobs, ledger=ledger, queue="q", run=run, failed=failing, lease_s=2)
        stopping = asyncio.Event()
        task = asyncio.create_task(worker.run(stopping))
        try:
            yield ledger
        finally:
            stopping.set()
            await task


async def work_on_one(platform: Platform, run: Run, begun: asyncio.Event) -> None:
    async with working(platform, run) as ledger:
        await ledger.transact(lambda connection: ledger.emit(connection, [NewJob("q", "1", "{}")]))
        await asyncio.wait_for(begun.wait(), 10)


async def outcomes(ledger: Ledger, wanted: int) -> list[str]:
    """Outcomes of the jobs that are over, once there are ``wanted``."""
    query = sa.select(tables.JOBS_DONE.c.outcome).order_by(tables.JOBS_DONE.c.at)
    async with asyncio.timeout(10):
        while (
            len(found := await ledger.read(lambda connection: connection.execute(query).scalars().all()))
            < wanted
        ):
            await asyncio.sleep(0.02)
    return list(found)


async def announced(platform: Platform) -> list[str | None]:
    return [decode(record.body).event.name for record in await platform.log.read(images.STREAM)]  # type: ignore[union-attr]


async def test_a_job_put_by_a_ledger_is_done_and_announced_once(platform: Platform) -> None:
    """A job goes from one service's outbox to the worker, and its event to the stream."""

    async def run(job: Job) -> Finish:
        return announcing(job)

    async with working(platform, run) as ledger:
        await ledger.transact(lambda connection: ledger.emit(connection, [NewJob("q", "1", "{}")] * 2))
        assert await outcomes(ledger, 1) == ["done"]

    assert await announced(platform) == ["did-1"]
    assert await platform.jobs.pending("q") == []


async def test_a_permanent_error_ends_the_job_with_its_own_event(platform: Platform) -> None:
    """A job that cannot succeed is over, and says so in an event."""

    async def run(_job: Job) -> Finish:
        raise PermanentError("hopeless", "no way")

    await platform.jobs.put("q", "1", "{}")
    async with working(platform, run) as ledger:
        assert await outcomes(ledger, 1) == ["hopeless"]

    assert await announced(platform) == ["hopeless-1"]


@pytest.mark.slow
async def test_a_wrong_setup_stops_the_worker_and_keeps_the_job(platform: Platform) -> None:
    """Credentials that are refused fail no job: it is done once that is mended."""
    never = asyncio.Event()

    async def denied(job: Job) -> Finish:
        raise SetupError("store_denied", "nobody may write")

    async def run(job: Job) -> Finish:
        return announcing(job)

    with pytest.raises(BaseExceptionGroup) as caught:
        await work_on_one(platform, denied, never)
    assert caught.group_contains(SetupError)

    async with working(platform, run) as ledger:
        assert await outcomes(ledger, 1) == ["done"]


async def test_a_bug_ends_the_job_and_not_the_worker(platform: Platform) -> None:
    """An unforeseen exception fails its job; the next job is still done."""

    async def run(job: Job) -> Finish:
        if job.job_id == "1":
            raise ZeroDivisionError
        return announcing(job)

    await platform.jobs.put("q", "1", "{}")
    await platform.jobs.put("q", "2", "{}")
    async with working(platform, run) as ledger:
        assert await outcomes(ledger, 2) == ["internal_error", "done"]


@pytest.mark.slow
async def test_a_transient_error_is_tried_again(platform: Platform) -> None:
    """A job that failed for now is done later, once."""
    tries = []

    async def run(job: Job) -> Finish:
        tries.append(job.attempt)
        if len(tries) == 1:
            raise TransientError("away", "for a moment")
        return announcing(job)

    await platform.jobs.put("q", "1", "{}")
    async with working(platform, run) as ledger:
        assert await outcomes(ledger, 1) == ["done"]

    assert tries == [1, 2]
    assert await announced(platform) == ["did-1"]


async def test_a_stopped_worker_gives_the_job_back(platform: Platform) -> None:
    """Stopping in mid-job loses nothing: the next process does it."""
    begun = asyncio.Event()

    async def endless(_job: Job) -> Finish:
        begun.set()
        await asyncio.sleep(60)
        raise AssertionError

    async def quick(job: Job) -> Finish:
        return announcing(job)

    await platform.jobs.put("q", "1", "{}")
    async with working(platform, endless):
        await begun.wait()
    async with working(platform, quick) as ledger:
        assert await outcomes(ledger, 1) == ["done"]


async def test_a_cancelled_job_is_stopped(platform: Platform) -> None:
    """Cancelling ends the work within a part of the lease, without an outcome."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(_job: Job) -> Finish:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        raise AssertionError

    await platform.jobs.put("q", "1", "{}")
    async with working(platform, endless):
        await begun.wait()
        await platform.jobs.cancel("q", "1")
        await asyncio.wait_for(ended.wait(), 2)

    assert await announced(platform) == []


async def test_a_job_whose_outcome_is_written_is_not_done_again(platform: Platform) -> None:
    """A kill between writing the outcome and telling the queue costs nothing."""
    runs = []

    async def run(job: Job) -> Finish:
        runs.append(job.job_id)
        return announcing(job)

    await platform.jobs.put("q", "1", "{}")
    complete = platform.jobs.complete

    async def killed_before(job: Job, worker: str) -> None:
        raise KeyError("stands in for the kill")

    platform.jobs.complete = killed_before  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup):
        async with working(platform, run) as ledger:
            await outcomes(ledger, 1)
    platform.jobs.complete = complete  # type: ignore[method-assign]
    async with working(platform, run):
        async with asyncio.timeout(5):
            while await platform.jobs.pending("q"):
                await asyncio.sleep(0.02)

    assert runs == ["1"]
    assert await announced(platform) == ["did-1"]


async def test_two_workers_of_one_service_never_hold_one_job_at_once(
    platform: Platform, tmp_path: Path
) -> None:
    """Each has a ledger of its own, and both take from one queue: a job is worked on once, by one of them."""
    begun, go_on, runs = asyncio.Event(), asyncio.Event(), []

    async def run(job: Job) -> Finish:
        runs.append((job.job_id, job.attempt))
        begun.set()
        await go_on.wait()
        return announcing(job)

    async with open_platform(tmp_path / "other") as elsewhere:
        other = replace(elsewhere, jobs=platform.jobs)
        await platform.jobs.put("q", "1", "{}")
        async with working(platform, run), working(other, run):
            await begun.wait()
            await asyncio.sleep(
                1.5
            )  # as long as a queue takes to look again whether somebody's lease is free
            go_on.set()
            async with asyncio.timeout(5):
                while await platform.jobs.pending("q"):
                    await asyncio.sleep(0.02)
        told = [*await announced(platform), *await announced(elsewhere)]

    assert runs == [("1", 1)]
    assert told == ["did-1"]


async def test_workers_on_one_ledger_have_names_of_their_own_that_outlive_a_restart(tmp_path: Path) -> None:
    """So a restarted worker gets its job back at once, and one beside it never does."""
    names = []
    for _ in range(2):
        async with Ledger.open(f"sqlite:///{tmp_path / 'l.sqlite'}", "service", MetaData()) as ledger:
            names.append((ledger.worker_name("q"), ledger.worker_name("q")))

    assert names[0] == names[1]
    assert len(set(names[0])) == 2


@pytest.mark.slow
async def test_the_outcome_of_a_lost_lease_is_not_written(platform: Platform) -> None:
    """An outage outlived the lease, and another worker took the job: only what that one says of it counts."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def run(job: Job) -> Finish:
        begun.set()
        await go_on.wait()
        return announcing(job)

    class CutOff(Unsteady):
        """A queue that cannot be reached by this worker while it works."""

        async def renew(self, job: Job, worker: str, *, lease_s: float) -> bool:
            if not go_on.is_set():
                raise TransientError("jobs_unavailable", "away")
            return await self._jobs.renew(job, worker, lease_s=lease_s)

    await platform.jobs.put("q", "1", "{}")
    async with working(replace(platform, jobs=CutOff(platform.jobs)), run):
        await begun.wait()
        taken = await asyncio.wait_for(platform.jobs.take("q", "another", lease_s=60), 5)
        go_on.set()
        await asyncio.sleep(0.5)

    assert taken.attempt == 2
    assert await announced(platform) == []
    assert [job.job_id for job in await platform.jobs.pending("q")] == ["1"]
