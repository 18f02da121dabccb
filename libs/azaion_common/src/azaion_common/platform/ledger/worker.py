"""The loop that every service runs over a job queue: take, work under a lease, finish once.

The outcome of a job is written in one transaction with what it publishes, so a job whose worker was killed is
handed out again and still ends once. ``run`` must therefore be harmless to repeat. Outages of queue and ledger are
waited out: hours of work are not to be thrown away because their outcome cannot be written for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from azaion_common.core import tracing
from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import AzaionError, PermanentError, SetupError, TransientError
from azaion_common.core.stopping import unless_stopped
from azaion_common.core.tracing import Span
from azaion_common.platform.jobs import Job, JobQueue
from azaion_common.platform.ledger import job_traces, metrics, tables
from azaion_common.platform.ledger.handler import Effect
from azaion_common.platform.ledger.ledger import Ledger

MAX_CRASHES = 8
CRASHED = "toolchain_crashed"
"""An outage is waited out however long it lasts; a program that keeps crashing on a job is given up."""
MAX_ATTEMPTS = 200
Finish = Callable[[Connection], Iterable[Effect]]
"""Runs in the transaction that ends the job: writes the service's own tables, returns what to publish."""

Result = TypeVar("Result")
_log = structlog.get_logger(__name__)


class JobCancelled(Exception):  # noqa: N818 - a decision, not an error
    """The job was taken back while it ran."""


class JobWorker:
    """Works on one queue, one job at a time."""

    def __init__(
        self,
        *,
        jobs: JobQueue,
        ledger: Ledger,
        queue: str,
        run: Callable[[Job], Awaitable[Finish]],
        failed: Callable[[Connection, Job, AzaionError], Iterable[Effect]],
        lease_s: float = 30.0,
    ) -> None:
        self._jobs = jobs
        self._ledger = ledger
        self._queue = queue
        self._run = run
        self._failed = failed
        self._lease_s = lease_s
        self._worker = ledger.worker_name(queue)
        metrics.JOBS.labels(ledger.service, queue, "done")  # 0 until there is one
        self._crashes: Counter[str] = Counter()
        self._backoff = Backoff(base_s=1.0, cap_s=60.0)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until ``stopping`` is set; a job in hand is given back then, to be gone on with later."""
        while not stopping.is_set():
            job = await unless_stopped(
                stopping, self._jobs.take(self._queue, self._worker, lease_s=self._lease_s)
            )
            if job is not None:
                await self._work(job, stopping)

    async def _work(self, job: Job, stopping: asyncio.Event) -> None:
        if await _insist(job, lambda: self._ledger.read(lambda connection: _is_done(connection, job))):
            await _insist(job, lambda: self._jobs.complete(job, self._worker))
            return
        started, span = time.monotonic(), await self._span(job)
        try:
            finish = await unless_stopped(stopping, self._run_leased(job))
        except JobCancelled:
            _log.info("job.cancelled", queue=job.queue, job=job.job_id)
            return
        except TransientError as error:
            await self._postpone(job, error, started, span)
            return
        except SetupError:
            await _insist(job, lambda: self._jobs.release(job, self._worker, delay_s=0))
            raise
        except PermanentError as error:
            await self._end(job, started, error.code, self._failing(job, error), span, error.message)
            return
        if finish is None:
            await _insist(job, lambda: self._jobs.release(job, self._worker, delay_s=0))
            return
        await self._end(job, started, "done", finish, span)

    async def _span(self, job: Job) -> Span:
        parent = await _insist(
            job,
            lambda: self._ledger.read(lambda connection: job_traces.find(connection, job.queue, job.job_id)),
        )
        return tracing.begin(f"{self._ledger.service} {job.queue}", parent, **{"azaion.job": job.job_id})

    async def _run_leased(self, job: Job) -> Finish:
        if job.attempt > MAX_ATTEMPTS:
            raise PermanentError("crashes_service", f"the process died {job.attempt} times during this job")
        work = asyncio.ensure_future(self._run(job))
        lease = asyncio.create_task(self._keep_lease(job))
        try:
            await asyncio.wait({work, lease}, return_when=asyncio.FIRST_COMPLETED)
            return _result(work)
        except (AzaionError, JobCancelled):
            raise
        except Exception as error:
            _log.exception("job.failed", queue=job.queue, job=job.job_id)
            raise PermanentError("internal_error", f"{type(error).__name__}: {error}") from error
        finally:
            for task in (work, lease):
                task.cancel()
            await asyncio.gather(work, lease, return_exceptions=True)

    async def _keep_lease(self, job: Job) -> None:
        """Returns when the lease is lost; a queue that cannot be reached for a while does not lose it."""
        while await self._renewed(job):  # noqa: ASYNC110 - a lease is time
            await asyncio.sleep(self._lease_s / 10)

    async def _renewed(self, job: Job) -> bool:
        try:
            return await self._jobs.renew(job, self._worker, lease_s=self._lease_s)
        except TransientError as error:
            _log.warning("job.lease_not_renewed", queue=job.queue, job=job.job_id, code=error.code)
            return True

    def _failing(self, job: Job, error: AzaionError) -> Finish:
        return lambda connection: self._failed(connection, job, error)

    async def _postpone(self, job: Job, error: TransientError, started: float, span: Span) -> None:
        self._crashes[job.job_id] += error.code == CRASHED
        if self._crashes[job.job_id] >= MAX_CRASHES:
            await self._end(job, started, error.code, self._failing(job, error), span, error.message)
            return
        span.end(error.code)
        delay_s = self._backoff.next()
        _log.warning(
            "job.postponed",
            queue=job.queue,
            job=job.job_id,
            code=error.code,
            error=error.message,
            delay_s=round(delay_s, 1),
        )
        await _insist(job, lambda: self._jobs.release(job, self._worker, delay_s=delay_s))

    async def _end(  # noqa: PLR0917 - what a job ends with
        self, job: Job, started: float, outcome: str, finish: Finish, span: Span, error: str | None = None
    ) -> None:
        seconds = time.monotonic() - started
        if not await _insist(job, lambda: self._jobs.renew(job, self._worker, lease_s=self._lease_s)):
            # It was cancelled, or an outage outlived the lease and somebody else has it now: theirs is the outcome.
            span.end("lease_lost")
            _log.info("job.lease_lost", queue=job.queue, job=job.job_id)
            return

        def end(connection: Connection) -> None:
            if _is_done(connection, job):  # written before, and only the answer got lost
                return
            effects = list(finish(connection))
            connection.execute(
                tables.JOBS_DONE.insert().values(
                    queue=job.queue, job_id=job.job_id, outcome=outcome, seconds=seconds, at=datetime.now(UTC)
                )
            )
            self._ledger.emit(connection, effects, traceparent=span.traceparent)
            job_traces.forget(connection, job.queue, job.job_id)

        await _insist(job, lambda: self._ledger.transact(end))
        await _insist(job, lambda: self._jobs.complete(job, self._worker))
        span.end(outcome)
        self._crashes.pop(job.job_id, None)
        metrics.JOBS.labels(self._ledger.service, job.queue, outcome).inc()
        _log.info(
            "job.ended",
            service=self._ledger.service,
            queue=job.queue,
            job=job.job_id,
            outcome=outcome,
            seconds=round(seconds, 3),
            **({"error": error} if error else {}),
            **({"trace_id": trace} if (trace := tracing.trace_id(span.traceparent)) else {}),
        )


async def _insist(job: Job, work: Callable[[], Awaitable[Result]]) -> Result:
    backoff = Backoff()
    while True:
        try:
            return await work()
        except TransientError as error:
            _log.warning("job.waiting", queue=job.queue, job=job.job_id, code=error.code, error=error.message)
        await asyncio.sleep(backoff.next())


def _result(work: asyncio.Future[Finish]) -> Finish:
    if not work.done():
        raise JobCancelled
    return work.result()


def _is_done(connection: Connection, job: Job) -> bool:
    table = tables.JOBS_DONE
    query = sa.select(table.c.job_id).where((table.c.queue == job.queue) & (table.c.job_id == job.job_id))
    return connection.execute(query).first() is not None
