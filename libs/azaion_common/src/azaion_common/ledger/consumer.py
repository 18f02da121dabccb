"""The loop that every service runs over a stream: read, prepare, apply once, move on.

Applied, passed over or quarantined: each record becomes exactly one of these, in the same transaction that moves
the cursor. A record at which the process keeps dying is quarantined too, after it was tried alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import structlog
from sqlalchemy import Connection

from azaion_common.backoff import Backoff
from azaion_common.errors import AzaionError, PermanentError, TransientError
from azaion_common.events import MessageDeadLettered, dead_letters
from azaion_common.ledger import inbox, metrics
from azaion_common.ledger.handler import Delivery, Effect, Handler, Outgoing
from azaion_common.ledger.inbox import Outcome
from azaion_common.ledger.ledger import Ledger
from azaion_common.ledger.outbox import Outbox
from azaion_common.runtime.stopping import items_until_stopped
from azaion_common.storage import BlobStore
from azaion_common.streams import EventLog, Record

MAX_DEATHS = 10
"""Many, because deaths that have nothing to do with the record count too."""
MAX_UNKNOWN_ERRORS = 3
RAW_MEDIA_TYPE = "application/octet-stream"

Content = TypeVar("Content")
Prepared = TypeVar("Prepared")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Step(Generic[Content, Prepared]):
    """One record on its way: decoded and prepared, or refused; neither means that it is passed over."""

    record: Record
    delivery: Delivery[Content] | None = None
    prepared: Prepared | None = None
    error: AzaionError | None = None


@dataclass(frozen=True, slots=True)
class _Open:
    """A transaction under way, and what it will owe."""

    connection: Connection
    outbox: Outbox


class _Refused(Exception):  # noqa: N818 - carries an error out of a transaction
    def __init__(self, index: int, error: AzaionError) -> None:
        super().__init__(index)
        self.index = index
        self.error = error


class Consumer(Generic[Content, Prepared]):
    """Applies one stream to one ledger through one handler."""

    def __init__(
        self,
        *,
        log: EventLog,
        ledger: Ledger,
        blobs: BlobStore,
        stream: str,
        handler: Handler[Content, Prepared],
        decode: Callable[[Record], Delivery[Content] | None],
        batch: int = 100,
        prepare_concurrency: int = 4,
    ) -> None:
        self._streams = log
        self._ledger = ledger
        self._blobs = blobs
        self._stream = stream
        self._handler = handler
        self._decode = decode
        self._batch = batch
        self._slots = asyncio.Semaphore(prepare_concurrency)

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume until ``stopping`` is set; the batch in hand is finished first."""
        at = await self._ledger.transact(lambda connection: inbox.progress(connection, self._stream))
        offset = at.next_offset
        if at.deaths:
            offset = await self._retry_alone(offset, at.deaths)
        records = self._streams.follow(self._stream, offset, max_batch=self._batch)
        async for batch in items_until_stopped(stopping, records):
            await self._handle(batch, deaths=0)
            await self._report_lag(batch[-1].offset + 1)

    async def _retry_alone(self, offset: int, deaths: int) -> int:
        """After a death in mid-batch: the first record by itself, and away with it if it is the one that kills."""
        for record in await self._streams.read(self._stream, offset, limit=1):
            await self._handle([record], deaths=deaths)
            return record.offset + 1
        return offset

    async def _handle(self, batch: Sequence[Record], *, deaths: int) -> None:
        started = time.monotonic()
        first = batch[0].offset
        await self._ledger.transact(
            lambda connection: inbox.mark_in_flight(connection, self._stream, first, deaths + 1)
        )
        if deaths >= MAX_DEATHS:
            error = PermanentError(
                "crashes_service", f"the process died {deaths} times while handling this message"
            )
            steps: list[_Step[Content, Prepared]] = [_Step(batch[0], error=error)]
        else:
            steps = list(await asyncio.gather(*(self._prepare(record) for record in batch)))
        outcomes = await self._apply_all(steps)
        metrics.HANDLER_SECONDS.labels(self._ledger.service, self._stream).observe(time.monotonic() - started)
        for step, outcome in zip(steps, outcomes, strict=True):
            self._tell(step, outcome)

    async def _prepare(self, record: Record) -> _Step[Content, Prepared]:
        try:
            delivery = self._decode(record)
        except PermanentError as error:
            return _Step(record, error=error)
        if delivery is None:
            return _Step(record)
        async with self._slots:
            try:
                prepared = await self._insist(delivery)
            except PermanentError as error:
                return _Step(record, delivery, error=error)
        return _Step(record, delivery, prepared)

    async def _insist(self, delivery: Delivery[Content]) -> Prepared:
        """Prepare; wait out transient errors, give an unknown one a few tries."""
        backoff, unknown = Backoff(), 0
        while True:
            try:
                return await self._handler.prepare(delivery)
            except TransientError as error:
                _log.warning(
                    "message.waiting",
                    stream=self._stream,
                    offset=delivery.record.offset,
                    code=error.code,
                    error=error.message,
                )
            except PermanentError:
                raise
            except Exception as error:
                unknown += 1
                _log.exception(
                    "message.failed", stream=self._stream, offset=delivery.record.offset, tries=unknown
                )
                if unknown >= MAX_UNKNOWN_ERRORS:
                    raise _internal(error) from error
            await asyncio.sleep(backoff.next())

    async def _apply_all(self, steps: list[_Step[Content, Prepared]]) -> list[Outcome]:
        """One transaction for the batch; a record refused in it is marked and the batch applied again."""
        backoff = Backoff()
        while True:
            try:
                raw = {step.record.offset: await self._keep_raw(step.record) for step in steps if step.error}
                return await self._ledger.transact(lambda connection: self._apply(connection, steps, raw))  # noqa: B023
            except _Refused as refused:
                steps[refused.index] = replace(steps[refused.index], error=refused.error)
            except TransientError as error:
                _log.warning("batch.waiting", stream=self._stream, code=error.code, error=error.message)
                await asyncio.sleep(backoff.next())

    async def _keep_raw(self, record: Record) -> MessageDeadLettered:
        raw = await self._blobs.put(record.body, RAW_MEDIA_TYPE)
        return MessageDeadLettered(
            service=self._ledger.service,
            stream=record.stream,
            offset=record.offset,
            reason="",
            message="",
            raw=raw,
        )

    def _apply(
        self,
        connection: Connection,
        steps: list[_Step[Content, Prepared]],
        raw: dict[int, MessageDeadLettered],
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        open_ = _Open(connection, self._ledger.outbox(connection))
        for index, step in enumerate(steps):
            if step.error is not None:
                self._quarantine(open_, step, step.error, raw[step.record.offset])
                outcomes.append("quarantined")
            elif step.delivery is None or self._is_duplicate(connection, step.delivery):
                outcomes.append("passed_over")
            else:
                self._apply_one(open_, index, step.delivery, step.prepared)  # type: ignore[arg-type]  # prepared when delivered
                outcomes.append("applied")
        open_.outbox.flush()
        inbox.advance(connection, self._stream, steps[-1].record.offset + 1, outcomes)
        inbox.clear_in_flight(connection, self._stream)
        return outcomes

    def _is_duplicate(self, connection: Connection, delivery: Delivery[Content]) -> bool:
        return delivery.envelope is not None and inbox.is_duplicate(
            connection, self._stream, delivery.envelope
        )

    def _apply_one(self, open_: _Open, index: int, delivery: Delivery[Content], prepared: Prepared) -> None:
        try:
            effects: Iterable[Effect] = self._handler.apply(open_.connection, delivery, prepared)
            open_.outbox.add(effects, cause=delivery.envelope)
        except PermanentError as error:
            raise _Refused(index, error) from error
        except TransientError:
            raise
        except Exception as error:
            _log.exception("message.failed", stream=self._stream, offset=delivery.record.offset)
            raise _Refused(index, _internal(error)) from error

    def _quarantine(
        self, open_: _Open, step: _Step[Content, Prepared], error: AzaionError, letter: MessageDeadLettered
    ) -> None:
        if step.delivery is not None and self._is_duplicate(open_.connection, step.delivery):
            return
        inbox.quarantine(open_.connection, self._stream, step.record.offset, error, letter.raw.sha256)
        letter = letter.model_copy(update={"reason": error.code, "message": error.message[:2000]})
        subject = f"{self._stream}/{step.record.offset}"
        own = self._handler.quarantined(open_.connection, step.record, error, letter.raw.sha256)
        open_.outbox.add([Outgoing(dead_letters.STREAM, letter, subject), *own])

    def _tell(self, step: _Step[Content, Prepared], outcome: Outcome) -> None:
        """One canonical line for each message."""
        metrics.MESSAGES.labels(self._ledger.service, self._stream, outcome).inc()
        envelope = step.delivery.envelope if step.delivery else None
        facts = {"stream": self._stream, "offset": step.record.offset, "service": self._ledger.service}
        if envelope is not None:
            facts |= {"type": envelope.type, "subject": envelope.subject, "event_id": str(envelope.id)}
        if step.error is not None:
            _log.warning(f"message.{outcome}", **facts, reason=step.error.code, error=step.error.message)
        else:
            _log.debug(f"message.{outcome}", **facts)

    async def _report_lag(self, next_offset: int) -> None:
        behind = await self._streams.end(self._stream) - next_offset
        metrics.LAG.labels(self._ledger.service, self._stream).set(behind)


def _internal(error: Exception) -> PermanentError:
    return PermanentError("internal_error", f"{type(error).__name__}: {error}")
