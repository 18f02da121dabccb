"""The ``jobs`` table in a database of its own: who works on what, until when, and what is over.

One table for all queues, in SQLite or PostgreSQL by the same statements. A job stays in it for ever, so that its id
is never taken in twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection
from sqlalchemy.dialects import postgresql, sqlite

from azaion_common.core.errors import TransientError
from azaion_common.platform.database.database import Database
from azaion_common.platform.database.engine import prepare
from azaion_common.platform.jobs import Job

DATABASE = "jobs"
"""Its name: the schema of this name in PostgreSQL."""
STEP_S = 5.0
"""A database that has not answered by then is taken for unavailable."""
METADATA = sa.MetaData()
JOBS = sa.Table(
    "jobs", METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("queue", sa.String(200), nullable=False),
    sa.Column("job_id", sa.String(200), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("worker", sa.String(200)),
    sa.Column("lease_until", sa.Float, nullable=False, server_default="0"),
    sa.Column("not_before", sa.Float, nullable=False, server_default="0"),
    sa.Column("over", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("queue", "job_id"),
)  # fmt: skip
"""Times are seconds since 1970."""
_OPEN = ~JOBS.c.over
sa.Index("jobs_open", JOBS.c.queue, JOBS.c.id, postgresql_where=_OPEN, sqlite_where=_OPEN)

Result = TypeVar("Result")


class LeaseTable:
    """Use ``async with LeaseTable.open(url)``; any number of processes may, on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[LeaseTable]:
        """The table in the database at ``url``, made when missing.

        Raises:
            TransientError: ``ledger_unavailable``, ``disk_full``; so do all its methods.
            PermanentError: ``ledger_denied``, ``ledger_url_invalid``, ``ledger_not_durable``.
        """
        async with Database.open(url, DATABASE) as database:
            table = cls(database)
            await table._transact(_make)
            yield table

    async def keep(self, queue: str, job_id: str, body: str) -> None:
        """Take a job in; durable when this returns. An id that was ever taken in is passed over."""
        await self._transact(lambda connection: _keep(connection, queue, job_id, body))

    async def has_free(self, queue: str, worker: str) -> bool:
        """Whether ``lease`` would find a job."""
        return await self._transact(lambda connection: _has_free(connection, queue, worker))

    async def lease(self, queue: str, worker: str, lease_s: float) -> Job | None:
        """Lease the oldest job that ``worker`` may take."""
        return await self._transact(lambda connection: _lease(connection, queue, worker, lease_s))

    async def renew(self, job: Job, worker: str, lease_s: float) -> bool:
        """Extend ``worker``'s lease; False when it has none any more."""
        return await self._change(job, worker, lambda now: {"lease_until": now + lease_s})

    async def complete(self, job: Job, worker: str) -> None:
        """The job is over, if ``worker`` has it still."""
        await self._change(job, worker, lambda _now: {"over": True, "worker": None})

    async def release(self, job: Job, worker: str, delay_s: float) -> None:
        """Give the job back, if ``worker`` has it still."""
        await self._change(job, worker, lambda now: {"worker": None, "not_before": now + delay_s})

    async def cancel(self, queue: str, job_id: str) -> bool:
        """The job is over, whoever has it; False when there is no such unfinished one."""
        change = JOBS.update().where(_is(queue, job_id), _OPEN).values(over=True, worker=None)
        return await self._transact(lambda connection: connection.execute(change).rowcount > 0)

    async def knows(self, queue: str, job_id: str) -> bool:
        """Whether the job was ever taken in."""
        query = sa.select(JOBS.c.id).where(_is(queue, job_id))
        return await self._transact(lambda connection: connection.execute(query).first() is not None)

    async def pending(self, queue: str) -> list[Job]:
        """Jobs not yet over, oldest first."""
        query = _job(sa.select(JOBS.c.job_id, JOBS.c.body, JOBS.c.attempt), queue).order_by(JOBS.c.id)
        rows = await self._transact(lambda connection: connection.execute(query).all())
        return [Job(queue, row.job_id, row.body, row.attempt) for row in rows]

    async def _change(
        self, job: Job, worker: str, values: Callable[[ColumnElement[float]], dict[str, Any]]
    ) -> bool:
        held = JOBS.update().where(_is(job.queue, job.job_id), JOBS.c.worker == worker, _OPEN)
        return await self._transact(
            lambda connection: connection.execute(held.values(**values(_now(connection)))).rowcount > 0
        )

    async def _transact(self, work: Callable[[Connection], Result]) -> Result:
        """A frozen server keeps the one thread waiting; whoever waits for the thread is told."""
        running = asyncio.ensure_future(self._database.transact(work))
        running.add_done_callback(_look_at)
        done, _ = await asyncio.wait({running}, timeout=STEP_S)
        if not done:
            raise TransientError("ledger_unavailable", f"no answer within {STEP_S:g} s")
        return running.result()


def _look_at(running: asyncio.Future[Any]) -> None:
    """Nobody may be waiting any more when it ends."""
    if not running.cancelled():
        running.exception()


def _make(connection: Connection) -> None:
    """Processes that start together take turns: making the same thing at once fails in PostgreSQL, if-not-exists or not."""
    if connection.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(b"azaion jobs tables").digest()[:8], "big", signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
    prepare(connection, DATABASE)
    METADATA.create_all(connection)


def _now(connection: Connection) -> ColumnElement[float]:
    """The server's clock: workers on hosts whose clocks differ must agree on when a lease ends. A file has one host."""
    if connection.dialect.name == "postgresql":
        return sa.cast(sa.extract("epoch", sa.func.now()), sa.Float)
    return sa.literal(time.time(), sa.Float)


def _is(queue: str, job_id: str) -> ColumnElement[bool]:
    return sa.and_(JOBS.c.queue == queue, JOBS.c.job_id == job_id)


def _job(query: sa.Select[Any], queue: str) -> sa.Select[Any]:
    return query.where(JOBS.c.queue == queue, _OPEN)


def _free(connection: Connection, queue: str, worker: str) -> sa.Select[Any]:
    """A worker that looks for a job again takes what it held itself: a process that was killed holds nothing any more.

    No two living workers have one name (``Ledger.worker_name``), so nobody takes what somebody else works on.
    """
    now = _now(connection)
    mine_or_nobodys = JOBS.c.worker.is_(None) | (JOBS.c.worker == worker) | (JOBS.c.lease_until <= now)
    query = sa.select(JOBS.c.id, JOBS.c.job_id, JOBS.c.body, JOBS.c.attempt)
    return _job(query, queue).where(JOBS.c.not_before <= now, mine_or_nobodys).order_by(JOBS.c.id).limit(1)


def _has_free(connection: Connection, queue: str, worker: str) -> bool:
    return connection.execute(_free(connection, queue, worker)).first() is not None


def _lease(connection: Connection, queue: str, worker: str, lease_s: float) -> Job | None:
    # Rows that others are just leasing are skipped, not waited for. (SQLite has one writer anyhow.)
    row = connection.execute(_free(connection, queue, worker).with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    connection.execute(
        JOBS.update()
        .where(JOBS.c.id == row.id)
        .values(worker=worker, lease_until=_now(connection) + lease_s, attempt=row.attempt + 1)
    )
    return Job(queue, row.job_id, row.body, row.attempt + 1)


def _keep(connection: Connection, queue: str, job_id: str, body: str) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(insert(JOBS).values(queue=queue, job_id=job_id, body=body).on_conflict_do_nothing())
