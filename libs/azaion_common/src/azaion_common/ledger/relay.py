"""The relay: carries what the outbox owes to the streams and queues, in order, until they have it.

Sending again after a crash between send and mark is harmless: logs drop a producer's sequence numbers that they
have, queues drop job ids that they have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection, Row

from azaion_common.backoff import Backoff
from azaion_common.errors import TransientError
from azaion_common.jobs import JobQueue
from azaion_common.ledger import tables
from azaion_common.ledger.ledger import Ledger
from azaion_common.streams import EventLog, Message

WINDOW = 200
KEEP_SENT = 10_000
"""Sent rows stay for a while, to look at; older ones are forgotten."""
_log = structlog.get_logger(__name__)


class Relay:
    """One per ledger; runs until cancelled."""

    def __init__(self, ledger: Ledger, log: EventLog, jobs: JobQueue) -> None:
        self._ledger = ledger
        self._streams = log
        self._jobs = jobs

    async def run(self) -> None:
        backoff = Backoff()
        while True:
            await self._ledger.outbox_filled.wait()
            self._ledger.outbox_filled.clear()
            try:
                while await self.flush_window():
                    backoff.reset()
            except TransientError as error:
                _log.warning("outbox.waiting", code=error.code, error=error.message)
                self._ledger.outbox_filled.set()
                await asyncio.sleep(backoff.next())

    async def flush(self) -> None:
        """Send everything that is owed now."""
        while await self.flush_window():
            pass

    async def flush_window(self) -> int:
        """Send the oldest rows and mark them; how many these were."""
        rows = await self._ledger.read(_unsent)
        for (kind, destination), group in groupby(rows, key=lambda row: (row.kind, row.destination)):
            batch = list(group)
            await self._send(kind, destination, batch)
            await self._ledger.transact(lambda connection, batch=batch: _mark_sent(connection, batch))  # type: ignore[misc]
        return len(rows)

    async def _send(self, kind: str, destination: str, rows: Sequence[Row[tuple[object, ...]]]) -> None:
        if kind == "job":
            for row in rows:
                await self._jobs.put(destination, row.key, row.body.decode())
            return
        producer = f"{self._ledger.service}:{self._ledger.epoch}"
        await self._streams.append(
            destination, [Message(row.body, seq=row.seq) for row in rows], producer=producer
        )


def _unsent(connection: Connection) -> Sequence[Row[tuple[object, ...]]]:
    query = sa.select(tables.OUTBOX).where(~tables.OUTBOX.c.sent).order_by(tables.OUTBOX.c.id).limit(WINDOW)
    return connection.execute(query).fetchall()


def _mark_sent(connection: Connection, rows: Sequence[Row[tuple[object, ...]]]) -> None:
    ids = [row.id for row in rows]
    connection.execute(tables.OUTBOX.update().where(tables.OUTBOX.c.id.in_(ids)).values(sent=True))
    connection.execute(
        tables.OUTBOX.delete().where(tables.OUTBOX.c.sent & (tables.OUTBOX.c.id < max(ids) - KEEP_SENT))
    )
