"""``JobQueue``: what is to be done, taken by exactly one worker at a time under a lease.

Embedded it is a SQLite file, in production RabbitMQ quorum queues.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Job:
    """Work to do. ``attempt`` counts from 1; ``body`` is JSON text that the queue's services agree on."""

    queue: str
    job_id: str
    body: str
    attempt: int


@dataclass(frozen=True, slots=True)
class DeadJob:
    """What could not be handed out. ``job_id`` is None when it has none."""

    queue: str
    job_id: str | None
    body: bytes
    reason: str
    """RabbitMQ's word: ``delivery_limit`` or ``rejected`` (malformed)."""
    at: datetime | None


class JobQueue(Protocol):
    """Named queues of jobs. A job is known by its id: putting it twice does nothing the second time.

    When the queue cannot be reached, TransientError is raised; everything here is harmless to repeat.
    """

    async def put(self, queue: str, job_id: str, body: str) -> None:
        """Add a job; durable when this returns. A job with this id that was ever put is left as it is."""

    async def take(self, queue: str, worker: str, *, lease_s: float) -> Job:
        """Wait for a job and lease it. Leases that ran out, and ``worker``'s own from a former life, are taken again.

        So no two living workers may have the same name: see ``Ledger.worker_name``.
        """

    async def renew(self, job: Job, worker: str, *, lease_s: float) -> bool:
        """Extend the lease. False when it is lost or the job was cancelled: stop working on it."""

    async def complete(self, job: Job, worker: str) -> None:
        """The job is over, well or badly; it will not be handed out again."""

    async def release(self, job: Job, worker: str, *, delay_s: float) -> None:
        """Give the job back to be tried again, not before ``delay_s`` from now."""

    async def cancel(self, queue: str, job_id: str) -> bool:
        """Take a job back, waiting or running. False when there is no such unfinished job."""

    async def pending(self, queue: str) -> list[Job]:
        """Jobs not yet over, oldest first, leased ones among them."""

    async def dead_letters(self) -> list[DeadJob]:
        """What could not be handed out, oldest first; it stays where it is."""

    async def requeue(self, job_id: str) -> None:
        """Give a dead letter another chance.

        Raises:
            PermanentError: ``dead_letter_unknown``, ``job_invalid``.
        """
