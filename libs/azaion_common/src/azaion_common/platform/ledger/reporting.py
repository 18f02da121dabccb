"""Every few seconds: how far a stream is applied, for its producers (who keep what they sent until then), and its lag."""

from __future__ import annotations

import asyncio

import structlog

from azaion_common.core.errors import TransientError
from azaion_common.platform.ledger import inbox, metrics
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.streams import EventLog

EVERY_S = 5.0
LAST_S = 3.0
_log = structlog.get_logger(__name__)


class ProgressReporter:
    """Of one stream in one ledger. Call ``moved`` after each batch."""

    def __init__(self, log: EventLog, ledger: Ledger, stream: str) -> None:
        self._streams = log
        self._ledger = ledger
        self._stream = stream
        self._next_offset = 0
        self._due = True

    def moved(self, next_offset: int) -> None:
        """Everything before ``next_offset`` is applied."""
        self._next_offset, self._due = next_offset, True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._report()
            await asyncio.sleep(EVERY_S)

    async def finish(self) -> None:
        """Once more at the end, if that goes quickly; whatever is not told is told after the next start."""
        try:
            async with asyncio.timeout(LAST_S):
                await self._report()
        except TimeoutError:
            _log.warning("stream.not_acknowledged", stream=self._stream, code="timeout")

    async def _report(self) -> None:
        try:
            await self._acknowledge()
            behind = max(0, await self._streams.end(self._stream) - self._next_offset)
            metrics.LAG.labels(self._ledger.service, self._stream).set(behind)
        except TransientError as error:
            self._due = True
            _log.warning("stream.not_acknowledged", stream=self._stream, code=error.code, error=error.message)

    async def _acknowledge(self) -> None:
        if not self._due:
            return
        self._due = False
        positions = await self._ledger.read(lambda connection: inbox.applied_up_to(connection, self._stream))
        if positions:
            await self._streams.acknowledge(self._stream, self._ledger.service, positions)
