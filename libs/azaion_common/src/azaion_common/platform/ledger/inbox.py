"""The reading side of a ledger: cursor, duplicates, crash marks and quarantine, as statements on a connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.contracts.events.envelope import Envelope
from azaion_common.core.errors import AzaionError, PermanentError
from azaion_common.platform.ledger import tables

Outcome = Literal["applied", "passed_over", "quarantined"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where reading goes on, what lies just before, and how often the process died at that place."""

    next_offset: int
    deaths: int
    last_sha256: bytes | None = None


class SequenceGapError(PermanentError):
    """Events of a producer are missing before this one: going on would lose them."""

    def __init__(self, stream: str, envelope: Envelope, last: int) -> None:
        super().__init__(
            "sequence_gap",
            f"{stream}: {envelope.producer} jumped from {last} to {envelope.seq}",
            hint="events are missing from the stream; see docs/operations.md, 'a gap in a stream'",
        )
        self.identity = (envelope.producer, envelope.epoch, envelope.seq)


class CursorMoved(Exception):  # noqa: N818 - a finding, not an error
    """The cursor is not where this batch begins: it was applied before, and only the answer got lost."""


def progress(connection: Connection, stream: str) -> Progress:
    """Where ``stream`` is to be read on."""
    cursor = connection.execute(
        sa.select(tables.CURSORS).where(tables.CURSORS.c.stream == stream)
    ).one_or_none()
    if cursor is None:
        zero = {"next_offset": 0, "applied": 0, "passed_over": 0, "quarantined": 0}
        connection.execute(tables.CURSORS.insert().values(stream=stream, **zero))
        return Progress(0, 0)
    marked = connection.execute(
        sa.select(tables.IN_FLIGHT).where(tables.IN_FLIGHT.c.stream == stream)
    ).one_or_none()
    died_here = marked is not None and marked.next_offset == cursor.next_offset
    deaths = marked.attempts if marked is not None and died_here else 0
    return Progress(cursor.next_offset, deaths, cursor.last_sha256)


def mark_in_flight(connection: Connection, stream: str, next_offset: int, attempts: int) -> None:
    """Note that handling starts now; the mark stays if the process dies."""
    clear_in_flight(connection, stream)
    connection.execute(
        tables.IN_FLIGHT.insert().values(stream=stream, next_offset=next_offset, attempts=attempts)
    )


def clear_in_flight(connection: Connection, stream: str) -> None:
    connection.execute(tables.IN_FLIGHT.delete().where(tables.IN_FLIGHT.c.stream == stream))


class Sequences:
    """What was applied of each producer, as one transaction sees and changes it; ``flush`` before it ends."""

    def __init__(self, connection: Connection, stream: str, *, accept_gap: bool = False) -> None:
        self._connection = connection
        self._stream = stream
        self._accept_gap = accept_gap
        self._stored: dict[tuple[str, int], int | None] = {}
        self._last: dict[tuple[str, int], int] = {}

    def seen(self, envelope: Envelope) -> bool:
        """True when the event was applied before; otherwise it is noted as applied.

        Raises:
            SequenceGapError: events of this producer are missing, unless gaps are accepted.
        """
        line = (envelope.producer, envelope.epoch)
        if line not in self._stored:
            self._stored[line] = self._load(line)
        last = self._last.get(line, self._stored[line])
        if last is not None and envelope.seq <= last:
            return True
        if last is not None and envelope.seq > last + 1 and not self._accept_gap:
            raise SequenceGapError(self._stream, envelope, last)
        self._last[line] = envelope.seq
        return False

    def flush(self) -> None:
        """Write what has changed."""
        table = tables.SEEN
        for line, last in self._last.items():
            if self._stored[line] is None:
                identity = {"stream": self._stream, "producer": line[0], "epoch": line[1]}
                self._connection.execute(table.insert().values(last_seq=last, **identity))
            else:
                self._connection.execute(table.update().where(self._is(line)).values(last_seq=last))

    def _load(self, line: tuple[str, int]) -> int | None:
        query = sa.select(tables.SEEN.c.last_seq).where(self._is(line))
        return self._connection.execute(query).scalar_one_or_none()

    def _is(self, line: tuple[str, int]) -> sa.ColumnElement[bool]:
        table = tables.SEEN
        return (table.c.stream == self._stream) & (table.c.producer == line[0]) & (table.c.epoch == line[1])


def applied_up_to(connection: Connection, stream: str) -> dict[str, int]:
    """The last sequence number applied of each producer, as the log names producers."""
    rows = connection.execute(sa.select(tables.SEEN).where(tables.SEEN.c.stream == stream))
    return {producer_name(row.producer, row.epoch): row.last_seq for row in rows}


def producer_name(producer: str, epoch: int) -> str:
    """What a ledger's relay is called in the log."""
    return f"{producer}:{epoch}"


def quarantine(connection: Connection, stream: str, offset: int, error: AzaionError, raw_sha256: str) -> None:
    """Note a refused record, in place of another one that the log had at this offset before it lost it."""
    here = (tables.QUARANTINE.c.stream == stream) & (tables.QUARANTINE.c.offset == offset)
    connection.execute(tables.QUARANTINE.delete().where(here))
    connection.execute(
        tables.QUARANTINE.insert().values(
            stream=stream,
            offset=offset,
            reason=error.code,
            message=storable(error),
            raw_sha256=raw_sha256,
            at=datetime.now(UTC),
        )
    )


def storable(error: AzaionError) -> str:
    """Its message, which may quote anything: PostgreSQL takes no NUL."""
    return error.message.replace("\0", "\\0")


@dataclass(frozen=True, slots=True)
class Passage:
    """A batch that was handled: the cursor moves from ``expected`` to ``next_offset``."""

    stream: str
    expected: int
    next_offset: int
    last_sha256: bytes
    """Of the body of the batch's last record."""


def advance(connection: Connection, passage: Passage, outcomes: list[Outcome]) -> None:
    """Move the cursor past a batch and count what became of its records.

    Raises:
        CursorMoved: it is not where the batch begins.
    """
    table = tables.CURSORS
    counts = {
        name: table.c[name] + outcomes.count(name) for name in ("applied", "passed_over", "quarantined")
    }
    changed = connection.execute(
        table.update()
        .where((table.c.stream == passage.stream) & (table.c.next_offset == passage.expected))
        .values(next_offset=passage.next_offset, last_sha256=passage.last_sha256, halted=None, **counts)
    )
    if changed.rowcount != 1:
        raise CursorMoved


def rewind(connection: Connection, stream: str) -> None:
    """Read ``stream`` again from its beginning; what was handled before is told apart by its identity."""
    table = tables.CURSORS
    handled = table.c.applied + table.c.passed_over + table.c.quarantined
    connection.execute(
        table.update()
        .where(table.c.stream == stream)
        .values(next_offset=0, last_sha256=None, before_rewind=handled)
    )


def skip_to(connection: Connection, stream: str, offset: int) -> None:
    """Go on at ``offset`` without what lay before: only where an operator has accepted the gap."""
    table = tables.CURSORS
    connection.execute(
        table.update()
        .where(table.c.stream == stream)
        .values(next_offset=offset, last_sha256=None, halted=None)
    )


def halt(connection: Connection, stream: str, reason: str) -> None:
    """Note why ``stream`` is not read any further."""
    connection.execute(tables.CURSORS.update().where(tables.CURSORS.c.stream == stream).values(halted=reason))
