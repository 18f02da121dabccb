"""Dead letters that an operator has requeued are tried again, beside what the stream brings."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Generic

import structlog

from azaion_common.core.errors import AzaionError, PermanentError, SetupError
from azaion_common.platform.ledger import letters
from azaion_common.platform.ledger.batch import BatchWork, Content, Prepared
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.letters import Letter
from azaion_common.platform.storage import BlobStore
from azaion_common.platform.streams import EventLog, Record

POLL_S = 2.0
_log = structlog.get_logger(__name__)


class SecondChances(Generic[Content, Prepared]):
    """Of one stream of one ledger. A cancelled try waits for the next start."""

    def __init__(
        self,
        *,
        log: EventLog,
        ledger: Ledger,
        blobs: BlobStore,
        stream: str,
        work: BatchWork[Content, Prepared],
    ) -> None:
        self._streams = log
        self._ledger = ledger
        self._blobs = blobs
        self._stream = stream
        self._work = work

    async def run(self) -> None:
        """Until cancelled."""
        started, looked_at = False, None
        while True:
            stamp = self._ledger.stamp()
            try:
                if not started:
                    await self._ledger.transact(lambda c: letters.reopen_broken_off(c, self._stream))
                    started = True
                if stamp is None or stamp != looked_at:
                    while await self._try_next():
                        pass
                    looked_at = stamp
            except AzaionError as error:
                # Of the surroundings: what reads the stream meets it too, and decides.
                _log.warning("letter.waiting", stream=self._stream, code=error.code, error=error.message)
            await asyncio.sleep(POLL_S)

    async def _try_next(self) -> bool:
        if not await self._ledger.read(lambda c: letters.has_requeued(c, self._stream)):
            return False  # the common case, which writes nothing and wakes nobody
        letter = await self._ledger.transact(lambda c: letters.take_requeued(c, self._stream))
        if letter is None:
            return False
        try:
            error = await self._try(letter)
        except BaseException:
            await asyncio.shield(self._ledger.transact(lambda c: letters.give_back(c, self._stream)))
            raise
        reason = error.code if error else None
        _log.info("letter.tried_again", stream=self._stream, offset=letter.offset, refused=reason)
        return True

    async def _try(self, letter: Letter) -> AzaionError | None:
        """Why it is refused again, if it is; also for want of a body, which is nowhere any more."""
        try:
            record = await self._record(letter)
        except SetupError:
            raise
        except PermanentError as error:
            lost = error
        else:
            return await self._work.try_again(record)
        await self._ledger.transact(lambda c: letters.refused_again(c, letter.stream, letter.offset, lost))
        return lost

    async def _record(self, letter: Letter) -> Record:
        """As the log has it; where it has lost it, the body alone, which was kept."""
        for record in await self._streams.read(letter.stream, letter.offset, limit=1):
            found = hashlib.sha256(record.body).hexdigest()
            if record.offset == letter.offset and found == letter.raw_sha256:
                return record
        body = await self._blobs.get(letter.raw_sha256)
        return Record(letter.stream, letter.offset, body, {}, letter.at)
