"""The reading side of a ledger: cursor, duplicates, crash marks and quarantine, as statements on a connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.errors import AzaionError, PermanentError
from azaion_common.events.envelope import Envelope
from azaion_common.ledger import tables

Outcome = Literal["applied", "passed_over", "quarantined"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where reading goes on, and how often the process died at that place."""

    next_offset: int
    deaths: int


def progress(connection: Connection, stream: str) -> Progress:
    """Where ``stream`` is to be read on."""
    next_offset = connection.execute(
        sa.select(tables.CURSORS.c.next_offset).where(tables.CURSORS.c.stream == stream)
    ).scalar_one_or_none()
    if next_offset is None:
        zero = {"next_offset": 0, "applied": 0, "passed_over": 0, "quarantined": 0}
        connection.execute(tables.CURSORS.insert().values(stream=stream, **zero))
    marked = connection.execute(
        sa.select(tables.IN_FLIGHT).where(tables.IN_FLIGHT.c.stream == stream)
    ).one_or_none()
    died_here = marked is not None and marked.next_offset == (next_offset or 0)
    return Progress(next_offset or 0, marked.attempts if marked is not None and died_here else 0)


def mark_in_flight(connection: Connection, stream: str, next_offset: int, attempts: int) -> None:
    """Note that handling starts now; the mark stays if the process dies."""
    clear_in_flight(connection, stream)
    connection.execute(
        tables.IN_FLIGHT.insert().values(stream=stream, next_offset=next_offset, attempts=attempts)
    )


def clear_in_flight(connection: Connection, stream: str) -> None:
    connection.execute(tables.IN_FLIGHT.delete().where(tables.IN_FLIGHT.c.stream == stream))


def is_duplicate(connection: Connection, stream: str, envelope: Envelope) -> bool:
    """True when the event was applied before; otherwise it is noted as applied.

    Raises:
        PermanentError: ``sequence_gap``: events of this producer are missing; going on would lose them.
    """
    table = tables.SEEN
    where = (
        (table.c.stream == stream)
        & (table.c.producer == envelope.producer)
        & (table.c.epoch == envelope.epoch)
    )
    last = connection.execute(sa.select(table.c.last_seq).where(where)).scalar_one_or_none()
    if last is None:
        identity = {"stream": stream, "producer": envelope.producer, "epoch": envelope.epoch}
        connection.execute(table.insert().values(last_seq=envelope.seq, **identity))
        return False
    if envelope.seq <= last:
        return True
    if envelope.seq > last + 1:
        raise PermanentError(
            "sequence_gap",
            f"{stream}: {envelope.producer} jumped from {last} to {envelope.seq}",
            hint="events are missing from the stream; restore it or replay the service",
        )
    connection.execute(table.update().where(where).values(last_seq=envelope.seq))
    return False


def quarantine(connection: Connection, stream: str, offset: int, error: AzaionError, raw_sha256: str) -> None:
    connection.execute(
        tables.QUARANTINE.insert().values(
            stream=stream,
            offset=offset,
            reason=error.code,
            message=error.message,
            raw_sha256=raw_sha256,
            at=datetime.now(UTC),
        )
    )


def advance(connection: Connection, stream: str, next_offset: int, outcomes: list[Outcome]) -> None:
    """Move the cursor past a batch and count what became of its records."""
    table = tables.CURSORS
    counts = {
        name: table.c[name] + outcomes.count(name) for name in ("applied", "passed_over", "quarantined")
    }
    connection.execute(
        table.update().where(table.c.stream == stream).values(next_offset=next_offset, **counts)
    )
