"""The relay: carries what the outbox owes to the streams and queues, in order, until they have it.

Sending again after a crash between send and mark is harmless: logs drop a producer's sequence numbers that they
have, queues drop job ids that they have. A confirm is not durability: a broker's power cut takes confirmed messages
with it. So rows stay after they were sent, and whenever there is doubt the log is asked what it has, and sending goes
on from there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import groupby

import structlog
from sqlalchemy import Row

from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import TransientError
from azaion_common.core.seldom import Seldom
from azaion_common.platform.jobs import JobQueue
from azaion_common.platform.ledger import keeping, metrics
from azaion_common.platform.ledger.accounting import last_sent
from azaion_common.platform.ledger.inbox import producer_name
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.streams import EventLog, Message

WINDOW = 1000
"""Rows that are sent and marked together."""
CHECK_S = 30.0
"""How often the log is asked, unprompted, whether it still has what was sent, and who has read it."""
_BACKOFF_CAP_S = 5.0
_log = structlog.get_logger(__name__)


class Relay:
    """One per ledger; runs until cancelled."""

    def __init__(self, ledger: Ledger, log: EventLog, jobs: JobQueue) -> None:
        self._ledger = ledger
        self._streams = log
        self._jobs = jobs
        self._in_doubt = True
        self._seldom = Seldom()

    async def run(self) -> None:
        backoff, checked_at = Backoff(cap_s=_BACKOFF_CAP_S), time.monotonic()
        while True:
            await self._news(checked_at + CHECK_S - time.monotonic())
            try:
                await self.flush()
                if time.monotonic() - checked_at >= CHECK_S:
                    checked_at = time.monotonic()
                    await self._look_after_sent()
                backoff.reset()
                self._seldom.over()
            except TransientError as error:
                self._in_doubt = True
                if self._seldom.due(error.code):
                    _log.warning("outbox.waiting", code=error.code, error=error.message)
                self._ledger.outbox_filled.set()
                await asyncio.sleep(backoff.next())

    async def flush(self) -> None:
        """Send everything that is owed now."""
        if self._in_doubt:
            await self._reconcile()
            self._in_doubt = False
        while await self.flush_window():
            pass

    async def flush_window(self) -> int:
        """Send the oldest rows and mark them; how many these were."""
        rows = await self._ledger.read(lambda connection: keeping.unsent(connection, WINDOW))
        for (kind, destination), group in groupby(rows, key=lambda row: (row.kind, row.destination)):
            batch = list(group)
            await self._send(kind, destination, batch)
            await self._ledger.transact(lambda connection, batch=batch: keeping.mark_sent(connection, batch))  # type: ignore[misc]
        return len(rows)

    async def _news(self, patience_s: float) -> None:
        """Return when something is owed, or it is time to look after what was sent."""
        try:
            async with asyncio.timeout(max(0.0, patience_s)):
                await self._ledger.outbox_filled.wait()
        except TimeoutError:
            return
        self._ledger.outbox_filled.clear()

    async def _send(self, kind: str, destination: str, rows: Sequence[Row[tuple[object, ...]]]) -> None:
        if kind == "job":
            for row in rows:
                await self._jobs.put(destination, row.key, row.body.decode())
            return
        messages = [Message(row.body, seq=row.seq) for row in rows]
        await self._streams.append(destination, messages, producer=self._producer)

    @property
    def _producer(self) -> str:
        return producer_name(self._ledger.service, self._ledger.epoch)

    async def _reconcile(self) -> None:
        """Compare what the log has of us with what we think that it has, stream by stream."""
        for stream, last in (await self._ledger.read(last_sent)).items():
            stored = await self._streams.last_seq(stream, self._producer) or 0
            if stored > last:
                await self._begin_anew(stream, stored, last)
                return await self._reconcile()
            again = await self._ledger.transact(
                lambda connection: keeping.send_from(connection, stream, stored + 1)  # noqa: B023 - awaited here
            )
            metrics.RESENT.labels(self._ledger.service, stream).inc(again)
            if again:
                _log.warning("outbox.log_lost_events", stream=stream, log_has=stored, sent_again=again)
        return None

    async def _begin_anew(self, stream: str, stored: int, last: int) -> None:
        """The log knows later events of ours than we do: this ledger is an old copy. Its numbers must not be reused."""
        epoch = await self._ledger.renew_epoch()
        _log.error("ledger.is_an_old_copy", stream=stream, log_has=stored, ledger_has=last, new_epoch=epoch)

    async def _look_after_sent(self) -> None:
        """Forget rows that are safe, and find out whether the log has lost any."""
        await self._reconcile()
        for stream in await self._ledger.read(last_sent):
            readers = await self._streams.acknowledged(stream, self._producer)
            await self._ledger.transact(
                lambda connection: keeping.forget(connection, stream, min(readers.values(), default=0))  # noqa: B023
            )
