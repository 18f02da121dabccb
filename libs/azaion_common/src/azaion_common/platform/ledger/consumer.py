"""The loop that every service runs over a stream: read, prepare, apply once, move on.

While a batch is applied, the next one is prepared, where it has come by then.

A record at which the process keeps dying is quarantined, after it was tried alone. A log that turns out not to be
the one that was read before (a broker lost its last messages in a power cut) is read again from its beginning: what
was handled before is known by its identity. Where records are missing for good, reading stops and says so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from typing import Any, Generic, TypeVar

import structlog

from azaion_common.core import tracing
from azaion_common.core.errors import AzaionError, PermanentError, TransientError
from azaion_common.core.lookahead import with_following
from azaion_common.core.stopping import items_until_stopped, unless_stopped
from azaion_common.platform.ledger import inbox, metrics
from azaion_common.platform.ledger.batch import BatchWork, Step
from azaion_common.platform.ledger.handler import Delivery, Handler
from azaion_common.platform.ledger.inbox import CursorMoved, Outcome, SequenceGapError
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.reporting import ProgressReporter
from azaion_common.platform.ledger.second_chances import SecondChances
from azaion_common.platform.storage import BlobStore
from azaion_common.platform.streams import EventLog, Record

MAX_DEATHS = 10
"""Many, because deaths that have nothing to do with the record count too."""
REGRESSED, TRUNCATED = "log_regressed", "log_truncated"

Content = TypeVar("Content")
Prepared = TypeVar("Prepared")
Result = TypeVar("Result")
_log = structlog.get_logger(__name__)


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
        accept_gaps: Collection[str] = (),
        weigh: Callable[[Record], int] = lambda record: len(record.body),
        kept: Callable[[Content], Content] = lambda content: content,
    ) -> None:
        """``weigh`` and ``kept`` as ``BatchWork`` takes them."""
        self._streams = log
        self._ledger = ledger
        self._stream = stream
        self._batch = batch
        self._accepts_gap = stream in accept_gaps
        self._work = BatchWork(
            ledger=ledger,
            blobs=blobs,
            handler=handler,
            decode=decode,
            prepare_concurrency=prepare_concurrency,
            accept_gap=self._accepts_gap,
            weigh=weigh,
            kept=kept,
        )
        self._reporter = ProgressReporter(log, ledger, stream)
        self._second_chances = SecondChances(
            log=log, ledger=ledger, blobs=blobs, stream=stream, work=self._work
        )
        metrics.expect(ledger.service, stream)
        self._gap: tuple[str, int, int] | None = None
        """Of the last gap that made it read again from the beginning: the same one twice is real."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume until ``stopping`` is set. What is being applied then is applied to its end; what is being prepared
        stays in the stream.

        Raises:
            PermanentError: ``sequence_gap``, ``log_truncated``: records are missing, and nobody has accepted that.
        """
        beside = [
            asyncio.create_task(self._reporter.run(), name=f"progress {self._stream}"),
            asyncio.create_task(self._second_chances.run(), name=f"second chances {self._stream}"),
        ]
        try:
            while not stopping.is_set():
                await self._read_on(stopping)
            await self._reporter.finish()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            metrics.forget(self._ledger.service, self._stream)

    async def _read_on(self, stopping: asyncio.Event) -> None:
        """Read until stopped, or until something says where else to go on."""
        try:
            await self._read(stopping)
        except CursorMoved:
            _log.info("stream.batch_was_applied", stream=self._stream)
        except SequenceGapError as gap:
            await self._on_gap(gap)
        except TransientError as error:
            if error.code != REGRESSED:
                raise
            await self._rewind(error)
        except PermanentError as error:
            if error.code != TRUNCATED:
                raise
            await self._on_truncation(error)

    async def _read(self, stopping: asyncio.Event) -> None:
        at = await self._ledger.transact(lambda connection: inbox.progress(connection, self._stream))
        offset, after = at.next_offset, at.last_sha256
        self._reporter.moved(offset)
        if at.deaths and await self._retry_alone(offset, at.deaths, stopping):
            return None
        records = self._streams.follow(self._stream, offset, max_batch=self._batch, after=after)
        ahead: asyncio.Task[list[Step[Content, Prepared]]] | None = None
        async with aclosing(with_following(items_until_stopped(stopping, records))) as batches:
            try:
                async for batch, following in batches:
                    started = time.monotonic()
                    preparing = _result(ahead or self._begin(batch, offset, deaths=0))
                    steps = await unless_stopped(stopping, preparing)
                    if steps is None:
                        return await self._leave(offset, deaths=0)
                    ahead = asyncio.create_task(self._work.prepare(following)) if following else None
                    await self._finish(steps, offset, started, goes_on=following is not None)
                    offset = batch[-1].offset + 1
                    steps = None  # they are large, and the next ones are waited for
            finally:
                await _end(ahead)

    async def _retry_alone(self, offset: int, deaths: int, stopping: asyncio.Event) -> bool:
        """After a death in mid-batch: the first record by itself, and away with it if it is the one that kills."""
        for record in await self._streams.read(self._stream, offset, limit=1):
            started = time.monotonic()
            steps = await unless_stopped(stopping, self._begin([record], offset, deaths=deaths))
            if steps is None:
                await self._leave(offset, deaths)
            else:
                await self._finish(steps, offset, started, goes_on=False)
            return True
        return False

    async def _leave(self, offset: int, deaths: int) -> None:
        """To stop in the middle of preparing is not to die there."""
        await self._ledger.transact(
            lambda connection: inbox.mark_in_flight(connection, self._stream, offset, deaths)
        )

    async def _begin(
        self, batch: Sequence[Record], expected: int, *, deaths: int
    ) -> list[Step[Content, Prepared]]:
        """Prepare a batch under a mark that stays if the process dies."""
        await self._ledger.transact(
            lambda connection: inbox.mark_in_flight(connection, self._stream, expected, deaths + 1)
        )
        if deaths >= MAX_DEATHS:
            error = PermanentError(
                "crashes_service", f"the process died {deaths} times while handling this message"
            )
            return self._work.refuse(batch[0], error)
        return await self._work.prepare(batch)

    async def _finish(
        self, steps: list[Step[Content, Prepared]], expected: int, started: float, *, goes_on: bool
    ) -> None:
        """Apply a batch and tell of it; ``goes_on`` when the next one is being prepared already."""
        outcomes = await self._work.apply(steps, expected, goes_on=goes_on)
        self._reporter.moved(steps[-1].record.offset + 1)
        metrics.HANDLER_SECONDS.labels(self._ledger.service, self._stream).observe(time.monotonic() - started)
        for step, outcome in zip(steps, outcomes, strict=True):
            self._tell(step, outcome)

    async def _on_gap(self, gap: SequenceGapError) -> None:
        """The first time, the log may have been put in order behind us; the second time, the events are lost."""
        if self._gap == gap.identity:
            await self._halt(gap)
        self._gap = gap.identity
        await self._rewind(gap)

    async def _on_truncation(self, error: PermanentError) -> None:
        if not self._accepts_gap:
            await self._halt(error)
        first = await self._streams.first(self._stream)
        await self._ledger.transact(lambda connection: inbox.skip_to(connection, self._stream, first))
        _log.error("stream.gap_accepted", stream=self._stream, offset=first, error=error.message)

    async def _rewind(self, error: AzaionError) -> None:
        await self._ledger.transact(lambda connection: inbox.rewind(connection, self._stream))
        metrics.REWINDS.labels(self._ledger.service, self._stream).inc()
        _log.error("stream.read_again", stream=self._stream, code=error.code, error=error.message)

    async def _halt(self, error: PermanentError) -> None:
        await self._ledger.transact(lambda connection: inbox.halt(connection, self._stream, str(error)))
        metrics.HALTED.labels(self._ledger.service, self._stream).set(1)
        _log.critical("stream.halted", stream=self._stream, code=error.code, error=error.message)
        raise error

    def _tell(self, step: Step[Content, Prepared], outcome: Outcome) -> None:
        """One canonical line for each message."""
        metrics.MESSAGES.labels(self._ledger.service, self._stream, outcome).inc()
        step.span.end(outcome)
        self._ledger.newest_trace = step.span.traceparent or self._ledger.newest_trace
        envelope = step.delivery.envelope if step.delivery else None
        facts = {"stream": self._stream, "offset": step.record.offset, "service": self._ledger.service}
        if envelope is not None:
            facts |= {"type": envelope.type, "subject": envelope.subject, "event_id": str(envelope.id)}
        if trace_id := tracing.trace_id(step.span.traceparent):
            facts["trace_id"] = trace_id
        if step.error is not None:
            _log.warning(f"message.{outcome}", **facts, reason=step.error.code, error=step.error.message)
        else:
            _log.debug(f"message.{outcome}", **facts)


async def _result(work: Awaitable[Result]) -> Result:
    return await work


async def _end(task: asyncio.Task[Any] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
