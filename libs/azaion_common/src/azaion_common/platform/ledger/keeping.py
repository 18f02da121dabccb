"""The rows of the outbox: which are owed, which were sent and are kept, which may be forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from azaion_common.platform.ledger import tables

KEEP_READ = timedelta(hours=1)
"""Rows that every known reader has applied: kept for those that are not known yet."""
KEEP_UNREAD = timedelta(hours=72)
"""Rows that some reader lacks: by then a broker has long written them to its disk."""


def unsent(connection: Connection, limit: int) -> Sequence[Row[tuple[object, ...]]]:
    """The oldest rows that are owed."""
    query = sa.select(tables.OUTBOX).where(~tables.OUTBOX.c.sent).order_by(tables.OUTBOX.c.id).limit(limit)
    return connection.execute(query).fetchall()


def mark_sent(connection: Connection, rows: Sequence[Row[tuple[object, ...]]]) -> None:
    ids = [row.id for row in rows]
    connection.execute(tables.OUTBOX.update().where(tables.OUTBOX.c.id.in_(ids)).values(sent=True))


def send_from(connection: Connection, stream: str, seq: int) -> int:
    """Owe every kept event of ``stream`` from ``seq`` on, and none before; how many of these had been sent."""
    table = tables.OUTBOX
    events = (table.c.kind == "event") & (table.c.destination == stream)
    connection.execute(table.update().where(events & ~table.c.sent & (table.c.seq < seq)).values(sent=True))
    again = connection.execute(
        table.update().where(events & table.c.sent & (table.c.seq >= seq)).values(sent=False)
    )
    return int(again.rowcount)


def forget(connection: Connection, stream: str, acknowledged: int) -> None:
    """Delete rows that are safe without us; ``acknowledged`` is the last event that every known reader has."""
    table, now = tables.OUTBOX, datetime.now(UTC)
    read = (table.c.seq <= acknowledged) & _before(now - KEEP_READ)
    events = (table.c.kind == "event") & (table.c.destination == stream)
    connection.execute(table.delete().where(table.c.sent & events & (read | _before(now - KEEP_UNREAD))))
    connection.execute(
        table.delete().where(table.c.sent & (table.c.kind == "job") & _before(now - KEEP_READ))
    )


def _before(moment: datetime) -> sa.ColumnElement[bool]:
    """Rows of earlier versions bear no time: they are old."""
    return tables.OUTBOX.c.created_at.is_(None) | (tables.OUTBOX.c.created_at < moment)
