"""The books of a ledger: messages in = applied + quarantined + pending, at any time."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.ledger import tables
from azaion_common.streams import EventLog


@dataclass(frozen=True, slots=True)
class StreamAccount:
    """What became of the messages of one stream in one service. ``applied`` contains what was passed over."""

    stream: str
    messages_in: int
    applied: int
    passed_over: int
    quarantined: int
    pending: int

    @property
    def balanced(self) -> bool:
        return self.messages_in == self.applied + self.quarantined + self.pending


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one stream was read, with the counts so far."""

    stream: str
    next_offset: int
    applied: int
    passed_over: int
    quarantined: int


def cursors(connection: Connection) -> list[Cursor]:
    """Every stream that the ledger reads."""
    rows = connection.execute(sa.select(tables.CURSORS).order_by(tables.CURSORS.c.stream))
    return [
        Cursor(row.stream, row.next_offset, row.applied, row.passed_over, row.quarantined) for row in rows
    ]


def outbox_depth(connection: Connection) -> int:
    """Events and jobs that are owed and not sent yet."""
    return int(connection.execute(sa.select(sa.func.count()).where(~tables.OUTBOX.c.sent)).scalar_one())


async def account(log: EventLog, cursor: Cursor) -> StreamAccount:
    """Compare what the ledger says with what the stream holds."""
    messages_in = await log.count(cursor.stream)
    pending = messages_in - await log.count(cursor.stream, before=cursor.next_offset)
    return StreamAccount(
        stream=cursor.stream,
        messages_in=messages_in,
        applied=cursor.applied + cursor.passed_over,
        passed_over=cursor.passed_over,
        quarantined=cursor.quarantined,
        pending=pending,
    )
