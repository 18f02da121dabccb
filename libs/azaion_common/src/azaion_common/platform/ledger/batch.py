"""One batch of records through a handler: prepared side by side, applied in one transaction.

Applied, passed over or quarantined: each record becomes exactly one of these, in the same transaction that moves
the cursor.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import Connection

from azaion_common.contracts.events import MessageDeadLettered, dead_letters
from azaion_common.core import tracing
from azaion_common.core.backoff import Backoff
from azaion_common.core.byte_semaphore import ByteSemaphore
from azaion_common.core.errors import AzaionError, PermanentError, SetupError, TransientError
from azaion_common.core.tracing import Span, Unrecorded
from azaion_common.platform.database.engine import is_outage
from azaion_common.platform.ledger import inbox, letters
from azaion_common.platform.ledger.foreign import Repetitions, digest
from azaion_common.platform.ledger.handler import Delivery, Effect, Handler, Outgoing, Ready
from azaion_common.platform.ledger.inbox import Outcome, Passage, Sequences
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.outbox import Outbox
from azaion_common.platform.storage import BlobStore
from azaion_common.platform.streams import Record

MAX_UNKNOWN_ERRORS = 3
PREPARED_BYTES = 24 << 20
"""Of the messages that are being prepared, unpacked."""
RAW_MEDIA_TYPE = "application/octet-stream"

Content = TypeVar("Content")
Prepared = TypeVar("Prepared")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Step(Generic[Content, Prepared]):
    """One record on its way: decoded and prepared, or refused; neither means that it is passed over."""

    record: Record
    delivery: Delivery[Content] | None = None
    prepared: Prepared | None = None
    error: AzaionError | None = None
    span: Span = field(default_factory=Unrecorded)
    digest: bytes = b""
    """Of a record without a number of ours: it is known again by what it holds."""

    @property
    def is_numbered(self) -> bool:
        return self.delivery is not None and self.delivery.envelope is not None

    @property
    def ready(self) -> Ready[Content, Prepared]:
        """Of a step that was prepared."""
        return Ready(self.delivery, self.prepared)  # type: ignore[arg-type]

    @property
    def lacks_digest(self) -> bool:
        return not (self.is_numbered or self.is_passed_over or self.digest)

    @property
    def is_passed_over(self) -> bool:
        return self.delivery is None and self.error is None


@dataclass(frozen=True, slots=True)
class _Open:
    """A transaction under way, what it will owe, and what was handled before it."""

    connection: Connection
    outbox: Outbox
    repetitions: Repetitions
    sequences: Sequences
    raw: Mapping[int, MessageDeadLettered]
    """Letters for the records that are refused already, by offset."""

    def owe(self, step: Step[Any, Any], effects: Iterable[Effect]) -> None:
        cause = step.delivery.envelope if step.delivery else None
        self.outbox.add(effects, cause=cause, traceparent=step.span.traceparent)


class _Refused(Exception):  # noqa: N818 - carries errors out of a transaction
    def __init__(self, errors: Mapping[int, AzaionError]) -> None:
        super().__init__(errors)
        self.errors = errors
        """By the step's place in the batch."""


class BatchWork(Generic[Content, Prepared]):
    """Takes batches of one stream through one handler into one ledger."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        blobs: BlobStore,
        handler: Handler[Content, Prepared],
        decode: Callable[[Record], Delivery[Content] | None],
        prepare_concurrency: int,
        accept_gap: bool,
        weigh: Callable[[Record], int] = lambda record: len(record.body),
        kept: Callable[[Content], Content] = lambda content: content,
    ) -> None:
        """``weigh``: bytes that a record's content takes. ``kept``: what is kept of it once it is prepared."""
        self._ledger = ledger
        self._blobs = blobs
        self._handler = handler
        self._decode = decode
        self._accept_gap = accept_gap
        self._weigh = weigh
        self._kept = kept
        self._slots = asyncio.Semaphore(prepare_concurrency)
        self._bytes = ByteSemaphore(PREPARED_BYTES)

    async def prepare(self, batch: Sequence[Record]) -> list[Step[Content, Prepared]]:
        """What is slow and harmless to repeat; outages are waited out. Nothing of it goes on after an error."""
        preparing = [asyncio.create_task(self._prepare(record)) for record in batch]
        try:
            steps = await asyncio.gather(*preparing)
            if any(step.lacks_digest for step in steps):
                return await asyncio.to_thread(_with_digests, steps)
            return steps
        finally:
            for task in preparing:
                task.cancel()
            await asyncio.gather(*preparing, return_exceptions=True)

    def refuse(self, record: Record, error: AzaionError) -> list[Step[Content, Prepared]]:
        """A record that is not even looked at."""
        return _with_digests([Step(record, error=error)])

    async def apply(
        self, steps: list[Step[Content, Prepared]], expected: int, *, goes_on: bool
    ) -> list[Outcome]:
        """One transaction for the batch. Where a record is refused in it, all such are found, and the batch is applied again.

        ``goes_on``: what follows the batch is being handled already, so its mark takes the place of this one.

        Raises:
            SequenceGapError: events are missing before one of the records.
            CursorMoved: the cursor is not at ``expected``: this batch was applied before.
        """
        backoff, looks_through = Backoff(), False
        while True:
            try:
                raw = {step.record.offset: await self._keep_raw(step.record) for step in steps if step.error}
                work = partial(
                    self._apply,
                    steps=steps,
                    raw=raw,
                    expected=expected,
                    looks_through=looks_through,
                    goes_on=goes_on,
                )
                return await self._ledger.transact(work)
            except _Refused as refused:
                looks_through = True
                _tell_of_bugs(refused, steps)
                for index, refusal in refused.errors.items():
                    steps[index] = replace(steps[index], error=refusal)
            except TransientError as error:
                _log.warning("batch.waiting", code=error.code, error=error.message)
                await asyncio.sleep(backoff.next())

    async def try_again(self, record: Record) -> AzaionError | None:
        """A record that is in quarantine once more; why it is refused again, None when it is applied.

        The cursor stays. Outages are waited out.
        """
        (step,) = await self.prepare([record])
        if step.delivery is not None:
            step = replace(step, delivery=replace(step.delivery, again=True))
        backoff = Backoff()
        while True:
            try:
                return await self._ledger.transact(lambda connection: self._apply_again(connection, step))  # noqa: B023
            except _Refused as refused:
                _tell_of_bugs(refused, [step])
                step = replace(step, error=refused.errors[0])
            except TransientError as error:
                _log.warning("batch.waiting", code=error.code, error=error.message)
                await asyncio.sleep(backoff.next())

    async def _prepare(self, record: Record) -> Step[Content, Prepared]:
        async with self._slots, self._bytes.hold(self._weigh(record)):
            try:
                delivery = self._decode(record)
            except PermanentError as error:
                return Step(record, error=_without_frames(error))
            if delivery is None:
                return Step(record)
            return await self._prepare_content(delivery)

    async def _prepare_content(self, delivery: Delivery[Content]) -> Step[Content, Prepared]:
        span, prepared, refusal = self._span(delivery), None, None
        try:
            prepared = await self._insist(delivery)
        except SetupError:
            raise
        except PermanentError as error:
            refusal = _without_frames(error)
        kept = replace(delivery, content=self._kept(delivery.content))
        return Step(delivery.record, kept, prepared, refusal, span)

    def _span(self, delivery: Delivery[Content]) -> Span:
        record, envelope = delivery.record, delivery.envelope
        parent = envelope.traceparent if envelope else record.properties.get("traceparent")
        attributes: dict[str, str | int] = {
            "messaging.destination.name": record.stream,
            "messaging.rabbitmq.stream.offset": record.offset,
        }
        name = f"{self._ledger.service} {envelope.type if envelope else record.stream}"
        return tracing.begin(name, parent if isinstance(parent, str) else None, **attributes)

    async def _insist(self, delivery: Delivery[Content]) -> Prepared:
        """Prepare; wait out transient errors, give an unknown one a few tries."""
        backoff, unknown, record = Backoff(), 0, delivery.record
        while True:
            try:
                return await self._handler.prepare(delivery)
            except TransientError as error:
                _log.warning(
                    "message.waiting",
                    stream=record.stream,
                    offset=record.offset,
                    code=error.code,
                    error=error.message,
                )
            except PermanentError:
                raise
            except Exception as error:
                unknown += 1
                _log.exception("message.failed", stream=record.stream, offset=record.offset, tries=unknown)
                if unknown >= MAX_UNKNOWN_ERRORS:
                    raise _internal(error) from error
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
        *,
        steps: list[Step[Content, Prepared]],
        raw: dict[int, MessageDeadLettered],
        expected: int,
        looks_through: bool,
        goes_on: bool,
    ) -> list[Outcome]:
        last = steps[-1].record
        digests = {step.record.offset: step.digest for step in steps if step.digest}
        open_ = _Open(
            connection,
            self._ledger.outbox(connection),
            Repetitions(connection, last.stream, digests),
            Sequences(connection, last.stream, accept_gap=self._accept_gap),
            raw,
        )
        decided = [(step, self._outcome(open_, step)) for step in steps]
        (self._one_by_one if looks_through else self._together)(open_, decided)
        open_.outbox.flush()
        open_.repetitions.flush()
        open_.sequences.flush()
        outcomes = [outcome for _, outcome in decided]
        sha256 = hashlib.sha256(last.body).digest()
        inbox.advance(connection, Passage(last.stream, expected, last.offset + 1, sha256), outcomes)
        if goes_on:
            inbox.mark_in_flight(connection, last.stream, last.offset + 1, 1)
        else:
            inbox.clear_in_flight(connection, last.stream)
        return outcomes

    def _outcome(self, open_: _Open, step: Step[Content, Prepared]) -> Outcome:
        if step.is_passed_over or self._was_handled(open_, step):
            return "passed_over"
        return "applied" if step.error is None else "quarantined"

    def _was_handled(self, open_: _Open, step: Step[Content, Prepared]) -> bool:
        delivery = step.delivery
        if delivery is None or delivery.envelope is None:
            return open_.repetitions.seen(step.record.offset, unique=delivery is not None and delivery.unique)
        return open_.sequences.seen(delivery.envelope)

    def _together(self, open_: _Open, decided: Sequence[tuple[Step[Content, Prepared], Outcome]]) -> None:
        """As a batch; when anything in it is refused, nobody knows which by that."""
        ready = [step.ready for step, outcome in decided if outcome == "applied"]
        try:
            effects = iter(self._handler.apply(open_.connection, ready) if ready else ())
            for step, outcome in decided:
                if outcome == "quarantined":
                    self._quarantine(open_, step)
                elif outcome == "applied":
                    open_.owe(step, next(effects))
        except Exception as error:
            if not _is_refusal(error):
                raise
            raise _Refused({}) from error

    def _one_by_one(self, open_: _Open, decided: Sequence[tuple[Step[Content, Prepared], Outcome]]) -> None:
        """Each under a savepoint of its own, to find all that are refused."""
        refusals: dict[int, AzaionError] = {}
        for index, (step, outcome) in enumerate(decided):
            if outcome == "quarantined":
                self._quarantine(open_, step)
            elif outcome == "applied":
                savepoint = open_.connection.begin_nested()
                if error := self._refusal(open_, step):
                    refusals[index] = error
                    savepoint.rollback()
                else:
                    savepoint.commit()
        if refusals:
            raise _Refused(refusals)

    def _refusal(self, open_: _Open, step: Step[Content, Prepared]) -> PermanentError | None:
        """Apply; why the record is refused, if it is."""
        try:
            (effects,) = self._handler.apply(open_.connection, [step.ready])
            open_.owe(step, effects)
        except Exception as error:
            if not _is_refusal(error):
                raise
            return error if isinstance(error, PermanentError) else _internal(error)
        return None

    def _apply_again(self, connection: Connection, step: Step[Content, Prepared]) -> AzaionError | None:
        stream, offset = step.record.stream, step.record.offset
        if step.error is not None:
            letters.refused_again(connection, stream, offset, step.error)
            return step.error
        if step.delivery is not None:
            nothing, outbox = Repetitions(connection, stream, {}), self._ledger.outbox(connection)
            if error := self._refusal(
                _Open(connection, outbox, nothing, Sequences(connection, stream), {}), step
            ):
                raise _Refused({0: error}) from error
            outbox.flush()
        letters.applied(connection, stream, offset, "passed_over" if step.is_passed_over else "applied")
        return None

    def _quarantine(self, open_: _Open, step: Step[Content, Prepared]) -> None:
        record, error, letter = step.record, step.error, open_.raw[step.record.offset]
        assert error is not None  # noqa: S101 - what is quarantined was refused
        inbox.quarantine(open_.connection, record.stream, record.offset, error, letter.raw.sha256)
        letter = letter.model_copy(update={"reason": error.code, "message": error.message[:2000]})
        own = self._handler.quarantined(open_.connection, record, error, letter.raw.sha256)
        subject = f"{record.stream}/{record.offset}"
        effects = [Outgoing(dead_letters.STREAM, letter, subject), *own]
        open_.outbox.add(effects, traceparent=step.span.traceparent)


def _without_frames(error: PermanentError) -> PermanentError:
    """Frames hold messages, pictures and each other; what there was to tell of them has been logged."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _with_digests(steps: Sequence[Step[Content, Prepared]]) -> list[Step[Content, Prepared]]:
    """Slow for large messages: not for the event loop, nor for the ledger's thread."""
    return [replace(step, digest=digest(step.record)) if step.lacks_digest else step for step in steps]


def _is_refusal(error: Exception) -> bool:
    """Whether it is about a record, rather than about the surroundings."""
    return not isinstance(error, (TransientError, SetupError)) and not is_outage(error)


def _internal(error: Exception) -> PermanentError:
    refusal = PermanentError("internal_error", f"{type(error).__name__}: {error}")
    refusal.__cause__ = error
    return refusal


def _tell_of_bugs(refused: _Refused, steps: Sequence[Step[Any, Any]]) -> None:
    """With their tracebacks; behind the transaction, which may be done several times."""
    whole = refused.__cause__
    if not refused.errors and not isinstance(whole, PermanentError):
        _log.error("batch.failed", stream=steps[0].record.stream, exc_info=whole)
    for index, refusal in refused.errors.items():
        record = steps[index].record
        if bug := refusal.__cause__:
            _log.error("message.failed", stream=record.stream, offset=record.offset, exc_info=bug)
