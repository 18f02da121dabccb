"""``data-processed/``: the folder that people browse, kept up to date with the ledger.

A transaction that changes variants also notes which names are due; this follows the notes. So a kill at any instant
leaves at worst a view that is late, and the next start brings it up to date.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from azaion_augmentor import metrics, records
from azaion_augmentor.records import Due
from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.core.stopping import unless_stopped
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.storage.views import FolderView

_BATCH = 200

_log = structlog.get_logger(__name__)


class ViewKeeper:
    """Follows the notes until told to stop. Make it inside the event loop."""

    def __init__(self, ledger: Ledger, view: FolderView) -> None:
        self._ledger = ledger
        self._view = view
        self._loop = asyncio.get_running_loop()
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Something may be due; from any thread. The ledger's reads queue behind the transaction that rings."""
        self._loop.call_soon_threadsafe(self._bell.set)

    async def run(self, stopping: asyncio.Event) -> None:
        """Bring the view up to date, and keep it so until ``stopping`` is set."""
        await self._compare()
        while not stopping.is_set():
            self._bell.clear()
            if not await self._catch_up():
                await unless_stopped(stopping, self._bell.wait())

    async def finish(self) -> None:
        """Show what was changed last, once nothing changes any more."""
        while await self._catch_up():
            pass

    async def _compare(self) -> None:
        """Whatever is missing from the folder, or should not be there, is due."""
        wanted = await self._ledger.read(records.variant_names)
        differing = wanted ^ await asyncio.to_thread(self._view.names)
        await self._ledger.transact(lambda connection: records.mark_due(connection, sorted(differing)))

    async def _catch_up(self) -> bool:
        """One round; True while more is due."""
        entries = await self._ledger.read(lambda connection: records.due(connection, _BATCH))
        if not entries:
            return False
        await self._update_all(entries)
        left = await self._ledger.transact(lambda connection: records.done(connection, entries))
        metrics.VIEWS_DUE.set(left)
        return left > 0

    async def _update_all(self, entries: Sequence[Due]) -> None:
        backoff = Backoff()
        for entry in entries:
            while True:
                try:
                    await self._update(entry)
                    break
                except TransientError as error:
                    _log.warning("view.waiting", name=entry.name, code=error.code, error=error.message)
                except PermanentError as error:  # a blob is lost; the scan at the next start makes it again
                    _log.warning("view.refused", name=entry.name, reason=error.code, error=error.message)
                    break
                await asyncio.sleep(backoff.next())

    async def _update(self, entry: Due) -> None:
        await self._view.hide(entry.name)  # the picture may have had another suffix before
        if entry.shown is not None:
            await self._view.show(
                entry.name,
                image_sha256=entry.shown.image_sha256,
                media_type=entry.shown.media_type,
                labels_sha256=entry.shown.labels_sha256,
            )
