"""What a transaction owes to streams and queues, collected and written in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.contracts.events.codec import encode
from azaion_common.contracts.events.envelope import Envelope, wrap
from azaion_common.platform.ledger import job_traces, tables
from azaion_common.platform.ledger.handler import Effect, NewJob, Outgoing

MAX_KEY = 200
Route = Callable[[str, str], str]
"""From a stream and a subject to the stream, or the part of it, that the event goes to."""


class Outbox:
    """Of one transaction; ``flush`` before it ends."""

    def __init__(self, connection: Connection, service: str, epoch: int, route: Route) -> None:
        self._connection = connection
        self._service = service
        self._epoch = epoch
        self._route = route
        self._last_seqs: dict[str, int] = {}
        self._rows: list[dict[str, Any]] = []

    def add(
        self, effects: Iterable[Effect], *, cause: Envelope | None = None, traceparent: str | None = None
    ) -> None:
        """Owe ``effects``, which follow from ``cause`` and go on with the trace of ``traceparent``.

        Raises:
            PermanentError: ``event_too_large``.
        """
        for effect in effects:
            match effect:
                case Outgoing():
                    self._rows.append(self._event_row(effect, cause, traceparent))
                case NewJob():
                    self._rows.append(_row("job", effect.queue, effect.job_id, 0, effect.body.encode()))
                    job_traces.remember(self._connection, effect.queue, effect.job_id, traceparent)

    def flush(self) -> None:
        """Write what is owed."""
        if self._rows:
            self._connection.execute(tables.OUTBOX.insert(), self._rows)
        for stream, seq in self._last_seqs.items():
            self._connection.execute(
                tables.SEQUENCES.update().where(tables.SEQUENCES.c.stream == stream).values(last_seq=seq)
            )
        self._rows = []

    def _event_row(
        self, outgoing: Outgoing, cause: Envelope | None, traceparent: str | None
    ) -> dict[str, Any]:
        stream = self._route(outgoing.stream, outgoing.subject)
        seq = self._next_seq(stream)
        envelope = wrap(
            event=outgoing.event,
            subject=outgoing.subject,
            producer=self._service,
            epoch=self._epoch,
            seq=seq,
            stream=stream,
            causation=cause.id if cause else None,
            traceparent=traceparent,
        )
        return _row("event", stream, outgoing.subject[:MAX_KEY], seq, encode(envelope))

    def _next_seq(self, stream: str) -> int:
        """Counts up without gaps: the relay and every reader rely on it."""
        if stream not in self._last_seqs:
            self._last_seqs[stream] = _stored_seq(self._connection, stream)
        self._last_seqs[stream] += 1
        return self._last_seqs[stream]


def _stored_seq(connection: Connection, stream: str) -> int:
    table = tables.SEQUENCES
    last = connection.execute(
        sa.select(table.c.last_seq).where(table.c.stream == stream)
    ).scalar_one_or_none()
    if last is None:
        connection.execute(table.insert().values(stream=stream, last_seq=0))
    return int(last or 0)


def _row(kind: str, destination: str, key: str, seq: int, body: bytes) -> dict[str, Any]:
    return {
        "kind": kind,
        "destination": destination,
        "key": key,
        "seq": seq,
        "body": body,
        "sent": False,
        "created_at": datetime.now(UTC),
    }
