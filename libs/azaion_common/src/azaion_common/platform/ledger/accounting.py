"""The books of a ledger: messages in = applied + quarantined + pending, at any time."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.platform.ledger import tables
from azaion_common.platform.streams import EventLog


@dataclass(frozen=True, slots=True)
class StreamAccount:
    """What became of the messages of one stream in one service. ``applied`` contains what was passed over."""

    stream: str
    messages_in: int
    """In the log, those that retention has removed since among them."""
    applied: int
    passed_over: int
    quarantined: int
    pending: int
    next_offset: int = 0
    """Where reading goes on."""
    read_again: int = 0
    """Messages that were handled before the stream was last read again from its beginning; ``applied`` and
    ``quarantined`` are those of this reading and the ones before it."""
    halted: str | None = None
    """Why the stream is not read any further."""

    @property
    def balanced(self) -> bool:
        return self.messages_in == self.applied + self.quarantined + self.pending - self.read_again


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one stream was read, with the counts so far."""

    stream: str
    next_offset: int
    applied: int
    passed_over: int
    quarantined: int
    before_rewind: int = 0
    halted: str | None = None

    @property
    def read(self) -> int:
        """Records between the first one that there was and the cursor, as this ledger counts them."""
        return self.applied + self.passed_over + self.quarantined - self.before_rewind


def cursors(connection: Connection) -> list[Cursor]:
    """Every stream that the ledger reads."""
    rows = connection.execute(sa.select(tables.CURSORS).order_by(tables.CURSORS.c.stream))
    return [
        Cursor(
            row.stream,
            row.next_offset,
            row.applied,
            row.passed_over,
            row.quarantined,
            row.before_rewind,
            row.halted,
        )
        for row in rows
    ]


def outbox_depth(connection: Connection) -> int:
    """Events and jobs that are owed and not sent yet."""
    return int(connection.execute(sa.select(sa.func.count()).where(~tables.OUTBOX.c.sent)).scalar_one())


def last_sent(connection: Connection) -> dict[str, int]:
    """The last number given out on each stream that the ledger writes to."""
    table = tables.SEQUENCES
    return {row.stream: row.last_seq for row in connection.execute(sa.select(table).order_by(table.c.stream))}


async def account(log: EventLog, cursor: Cursor) -> StreamAccount:
    """Compare what the ledger says with what the stream holds.

    Where retention has removed the beginning of a stream, what the ledger says of it cannot be checked and is believed.
    """
    messages, before = (
        await log.count(cursor.stream),
        await log.count(cursor.stream, before=cursor.next_offset),
    )
    removed = max(0, cursor.read - before) if await log.first(cursor.stream) > 0 else 0
    return StreamAccount(
        stream=cursor.stream,
        messages_in=messages + removed,
        applied=cursor.applied + cursor.passed_over,
        passed_over=cursor.passed_over,
        quarantined=cursor.quarantined,
        pending=messages - before,
        next_offset=cursor.next_offset,
        read_again=cursor.before_rewind,
        halted=cursor.halted,
    )
