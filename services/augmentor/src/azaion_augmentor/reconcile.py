"""The scan at start: what was multiplied by another recipe or seed, or has lost a blob, is multiplied again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from azaion_augmentor import metrics, records
from azaion_augmentor.batches import Batches
from azaion_augmentor.handlers import augmented
from azaion_augmentor.records import Entry
from azaion_common.contracts.events import BatchAugmented
from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.storage import BlobStore

_PAGE = 16

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Reconciler:
    """Runs once, beside the consumer: a picture that changes meanwhile is left to the consumer."""

    ledger: Ledger
    blobs: BlobStore
    batches: Batches
    view_changed: Callable[[], None]

    async def run(self, stopping: asyncio.Event) -> int:
        """Scan every picture, or as far as it gets before ``stopping``; returns how many were multiplied again."""
        after, again = "", 0
        while not stopping.is_set():
            entries = await self._page(after)
            if not entries:
                break
            again += sum(await asyncio.gather(*(self._mend(entry) for entry in entries)))
            after = entries[-1].saved.name
        _log.info("reconcile.done", again=again)
        return again

    async def _page(self, after: str) -> list[Entry]:
        return await self.ledger.read(lambda connection: records.page(connection, after, _PAGE))

    async def _mend(self, entry: Entry) -> bool:
        reason = await self._reason(entry)
        if reason is None:
            return False
        backoff = Backoff()
        while True:
            try:
                return await self._augment(entry, reason)
            except PermanentError as error:
                metrics.REFUSED.labels(error.code).inc()
                _log.warning(
                    "reconcile.refused", picture=entry.saved.name, reason=error.code, error=error.message
                )
                return False
            except TransientError as error:
                _log.warning("reconcile.waiting", code=error.code, error=error.message)
            await asyncio.sleep(backoff.next())

    async def _reason(self, entry: Entry) -> str | None:
        if (entry.recipe_sha256, entry.seed) != (self.batches.recipe_sha256, self.batches.seed):
            return "recipe_changed"
        sizes = await asyncio.gather(*(self.blobs.size(sha256) for sha256 in entry.blobs))
        return "blob_missing" if None in sizes else None

    async def _augment(self, entry: Entry, reason: str) -> bool:
        batch = await self.batches.make(entry.saved)
        return await self.ledger.transact(lambda connection: self._record(connection, entry, batch, reason))

    def _record(self, connection: Connection, entry: Entry, batch: BatchAugmented, reason: str) -> bool:
        if records.revision(connection, entry.saved.name) != entry.saved.revision:
            return False
        effects = augmented(connection, entry.saved, batch, reason=reason, view_changed=self.view_changed)
        self.ledger.emit(connection, effects)
        return True
