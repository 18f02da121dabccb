"""Dead letters: what a ledger has in quarantine, and what an operator decided about it.

``open`` → ``requeued`` (by an operator) → ``trying`` (by the service) → ``applied``, or ``open`` with a new reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from azaion_common.core.errors import AzaionError
from azaion_common.platform.ledger import tables
from azaion_common.platform.ledger.inbox import Outcome, storable

OPEN, REQUEUED, TRYING, APPLIED = "open", "requeued", "trying", "applied"
_TABLE = tables.QUARANTINE


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that was refused, and why."""

    stream: str
    offset: int
    reason: str
    message: str
    raw_sha256: str
    """Of its body, which is in the blob store."""
    at: datetime
    state: str


def count_open(connection: Connection) -> int:
    """How many nobody has looked after."""
    query = sa.select(sa.func.count()).select_from(_TABLE).where(_TABLE.c.state == OPEN)
    return int(connection.execute(query).scalar_one())


def every(connection: Connection) -> list[Letter]:
    """All of them, by stream and offset."""
    rows = connection.execute(sa.select(_TABLE).order_by(_TABLE.c.stream, _TABLE.c.offset))
    return [_letter(row) for row in rows]


def requeue(connection: Connection, stream: str, offset: int) -> bool:
    """Have the service try it again; False when it is not ``open``."""
    change = _TABLE.update().where(_is(stream, offset) & (_TABLE.c.state == OPEN))
    return connection.execute(change.values(state=REQUEUED, requeued_at=datetime.now(UTC))).rowcount == 1


def has_requeued(connection: Connection, stream: str) -> bool:
    """Whether ``take_requeued`` would find one."""
    query = sa.select(_TABLE.c.offset).where((_TABLE.c.stream == stream) & (_TABLE.c.state == REQUEUED))
    return connection.execute(query.limit(1)).first() is not None


def take_requeued(connection: Connection, stream: str) -> Letter | None:
    """The first one that is to be tried again, marked as being tried."""
    waiting = (_TABLE.c.stream == stream) & (_TABLE.c.state == REQUEUED)
    row = connection.execute(
        sa.select(_TABLE).where(waiting).order_by(_TABLE.c.offset).limit(1)
    ).one_or_none()
    if row is None:
        return None
    connection.execute(_TABLE.update().where(_is(stream, row.offset)).values(state=TRYING))
    return _letter(row)


def give_back(connection: Connection, stream: str) -> None:
    """What was being tried waits again: the try was broken off, and not by the message."""
    _end_trials(connection, stream, {"state": REQUEUED})


def reopen_broken_off(connection: Connection, stream: str) -> None:
    """At start: where the process died while trying, the message may be the cause, so an operator decides again."""
    died = "the process died while this message was tried again"
    _end_trials(connection, stream, {"state": OPEN, "reason": "crashes_service", "message": died})


def refused_again(connection: Connection, stream: str, offset: int, error: AzaionError) -> None:
    values = {"state": OPEN, "reason": error.code, "message": storable(error)}
    connection.execute(_TABLE.update().where(_is(stream, offset)).values(values))


def applied(connection: Connection, stream: str, offset: int, outcome: Outcome) -> None:
    """It is in quarantine no longer, and the books say so."""
    connection.execute(_TABLE.update().where(_is(stream, offset)).values(state=APPLIED))
    cursors = tables.CURSORS
    counts = {"quarantined": cursors.c.quarantined - 1, outcome: cursors.c[outcome] + 1}
    connection.execute(cursors.update().where(cursors.c.stream == stream).values(counts))


def _end_trials(connection: Connection, stream: str, values: dict[str, str]) -> None:
    trying = (_TABLE.c.stream == stream) & (_TABLE.c.state == TRYING)
    connection.execute(_TABLE.update().where(trying).values(values))


def _is(stream: str, offset: int) -> sa.ColumnElement[bool]:
    return (_TABLE.c.stream == stream) & (_TABLE.c.offset == offset)


def _letter(row: Row[tuple[object, ...]]) -> Letter:
    at = row.at if row.at.tzinfo else row.at.replace(tzinfo=UTC)  # SQLite keeps no time zone
    return Letter(row.stream, row.offset, row.reason, row.message, row.raw_sha256, at, row.state)
