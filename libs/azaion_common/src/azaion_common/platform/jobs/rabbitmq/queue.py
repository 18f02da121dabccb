"""``JobQueue`` on RabbitMQ: quorum queues carry jobs to the ledger database, where they are leased."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog

from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import TransientError
from azaion_common.platform.jobs import DeadJob, Job
from azaion_common.platform.jobs.leases import LeaseTable
from azaion_common.platform.jobs.rabbitmq import messages
from azaion_common.platform.jobs.rabbitmq.dead_letters import DeadLetters
from azaion_common.platform.jobs.rabbitmq.intake import Intake
from azaion_common.platform.jobs.rabbitmq.link import Link
from azaion_common.platform.jobs.rabbitmq.location import JobsLocation
from azaion_common.platform.jobs.rabbitmq.putter import Putter

RECHECK_S = 1.0
"""Leases and delays run out silently, and others take jobs in."""
DEADLINE_S = 10.0
_IN_HAND_S = 1.0
_RECONNECT_CAP_S = 3.0
Result = TypeVar("Result")
_log = structlog.get_logger(__name__)


class RabbitJobQueue:
    """The production form. Use ``async with RabbitJobQueue.open(amqp_url, ledger_url)``.

    All methods but ``put`` and ``take`` wait out an outage for some ``DEADLINE_S`` and then raise TransientError
    (``jobs_unavailable``, ``ledger_unavailable``, ``disk_full``); ``take`` waits for as long as it lasts.
    A job that another process is just taking in, for some milliseconds, is not among the pending ones.
    """

    def __init__(self, leases: LeaseTable, putting: Link, taking: Link) -> None:
        self._leases = leases
        self._intake = Intake(taking, leases)
        self._putter = Putter(putting)
        self._dead = DeadLetters(taking, self._putter)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, amqp_url: str, ledger_url: str, *, name: str = "azaion"
    ) -> AsyncIterator[RabbitJobQueue]:
        """Connects to the broker at the first use; ``name`` is what its operators see.

        There are two connections, because a broker that is short of disk stops reading from those that publish: what
        it has can be taken all the same.

        Raises:
            TransientError: ``ledger_unavailable``.
            PermanentError: ``jobs_url_invalid``, ``ledger_url_invalid``, ``ledger_denied``.
        """
        location = JobsLocation.parse(amqp_url)
        async with (
            LeaseTable.open(ledger_url) as leases,
            Link.open(location, name=f"{name} takes jobs") as taking,
            Link.open(location, name=f"{name} puts jobs") as putting,
        ):
            queue = cls(leases, putting, taking)
            try:
                yield queue
            finally:
                await queue._putter.close()

    async def put(self, queue: str, job_id: str, body: str) -> None:
        """Raises as ``Putter.put``, and PermanentError ``job_invalid``."""
        await self._putter.put(queue, messages.encode(job_id, body))

    async def take(self, queue: str, worker: str, *, lease_s: float) -> Job:
        """Jobs that are in the ledger database are leased while the broker is away, too.

        Raises:
            PermanentError: ``broker_denied``, ``broker_untrusted``, ``queue_mismatch``, ``ledger_denied``.
        """
        backoff = Backoff(cap_s=_RECONNECT_CAP_S)
        while True:
            try:
                job = await self._leases.lease(queue, worker, lease_s)
                if job is not None:
                    return job
                await self._wait_for_free(queue, worker)
            except TransientError as error:
                _log.warning("job.taker_waiting", queue=queue, code=error.code, error=error.message)
                await asyncio.sleep(backoff.next())

    async def renew(self, job: Job, worker: str, *, lease_s: float) -> bool:
        return await _patiently(lambda: self._leases.renew(job, worker, lease_s))

    async def complete(self, job: Job, worker: str) -> None:
        await _patiently(lambda: self._leases.complete(job, worker))

    async def release(self, job: Job, worker: str, *, delay_s: float) -> None:
        await _patiently(lambda: self._leases.release(job, worker, delay_s))

    async def cancel(self, queue: str, job_id: str) -> bool:
        until = time.monotonic() + _IN_HAND_S
        while True:
            await _patiently(lambda: self._intake.drain(queue))
            if await _patiently(lambda: self._leases.cancel(queue, job_id)):
                return True
            if time.monotonic() > until or await _patiently(lambda: self._leases.knows(queue, job_id)):
                return False
            await asyncio.sleep(0.1)  # another process may have it in its hands, on the way into the database

    async def pending(self, queue: str) -> list[Job]:
        await _patiently(lambda: self._intake.drain(queue))
        return await _patiently(lambda: self._leases.pending(queue))

    async def dead_letters(self) -> list[DeadJob]:
        return await _patiently(self._dead.all)

    async def requeue(self, job_id: str) -> None:
        await _patiently(lambda: self._dead.requeue(job_id))

    async def _wait_for_free(self, queue: str, worker: str) -> None:
        async with self._intake.arrivals(queue) as arrivals:
            while not await self._leases.has_free(queue, worker):
                await arrivals.move(RECHECK_S)


async def _patiently(work: Callable[[], Awaitable[Result]]) -> Result:
    """Try again until ``DEADLINE_S`` have passed; everything that is done so is harmless to repeat."""
    until, backoff = time.monotonic() + DEADLINE_S, Backoff(cap_s=1.0)
    while True:
        try:
            return await work()
        except TransientError:
            if time.monotonic() >= until:
                raise
        await asyncio.sleep(backoff.next())
