"""The trace that a job goes on with, from the transaction that made the job to the one that ends it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from azaion_common.platform.ledger.tables import JOB_TRACES


def remember(connection: Connection, queue: str, job_id: str, traceparent: str | None) -> None:
    """A job made again goes on with the trace of the first time."""
    if traceparent and find(connection, queue, job_id) is None:
        connection.execute(JOB_TRACES.insert().values(queue=queue, job_id=job_id, traceparent=traceparent))


def find(connection: Connection, queue: str, job_id: str) -> str | None:
    """The traceparent, where there is one."""
    query = sa.select(JOB_TRACES.c.traceparent).where(_is(queue, job_id))
    return connection.execute(query).scalar_one_or_none()


def forget(connection: Connection, queue: str, job_id: str) -> None:
    """The job is over."""
    connection.execute(JOB_TRACES.delete().where(_is(queue, job_id)))


def _is(queue: str, job_id: str) -> ColumnElement[bool]:
    return (JOB_TRACES.c.queue == queue) & (JOB_TRACES.c.job_id == job_id)
