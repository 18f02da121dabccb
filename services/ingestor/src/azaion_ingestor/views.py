"""``data/``, ``data-seed/``, ``data_deleted/``, ``data-corrupted/``: what people browse, kept in step with the ledger.

A transaction that changes a picture also notes which files are due; this follows the notes. A kill at any instant
leaves at worst a view that is late, and the next start catches up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import Connection

from azaion_annotations.labels import yolo_text
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.core.stopping import unless_stopped
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.storage import BlobStore
from azaion_common.platform.storage.views import FolderView
from azaion_ingestor import metrics, records
from azaion_ingestor.pictures import Picture, State
from azaion_ingestor.records import Due
from azaion_ingestor.refusals import CORRUPTED, salvage_body

_SHOWS = "{view} shows what the ingestor has {what}. Changes to files here are not read, and are lost.\n"
_HOW_TO_CORRECT = """
To correct labels:   copy labels/NAME.txt to another folder, change the copy, then
                     azaion annotations edit COPY/NAME.txt
To take out:         azaion annotations delete NAME
To confirm:          azaion annotations validate NAME      (pictures in data-seed)
To take all along:   azaion data export DIR

The numbers at the beginning of a line are classes: azaion data export writes them by name.
"""
_NOTES = {
    State.VALIDATED: _SHOWS.format(view="data", what="for training") + _HOW_TO_CORRECT,
    State.SEED: _SHOWS.format(view="data-seed", what="and no validator has confirmed") + _HOW_TO_CORRECT,
    State.DELETED: _SHOWS.format(view="data_deleted", what="deleted")
    + "\nTo bring back:       azaion annotations import FOLDER --restore\n",
    CORRUPTED: _SHOWS.format(view="data-corrupted", what="refused")
    + "\nThe reasons:         azaion dead-letters list\nTo try again:        azaion dead-letters requeue ID\n",
}
_BATCH = 200
_AT_ONCE = 4
_FINISH_S = 8.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is due, and what the ledger says about it, in one consistent state."""

    entries: Sequence[Due]
    pictures: Mapping[str, Picture]
    refused: Mapping[str, str]


class ViewKeeper:
    """Follows the notes until told to stop. Make it inside the event loop."""

    def __init__(self, ledger: Ledger, blobs: BlobStore, catalogue: Catalogue, home: Path) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._catalogue = catalogue
        self._views = {name: FolderView(home / name, blobs) for name in (*map(str, State), CORRUPTED)}
        self._loop = asyncio.get_running_loop()
        self._bell = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._salvaging = asyncio.Lock()
        """What is refused is in memory whole, and may be large."""

    def ring(self) -> None:
        """Something may be due; from any thread. The ledger's reads queue behind the transaction that rings."""
        self._loop.call_soon_threadsafe(self._bell.set)

    async def run(self, stopping: asyncio.Event) -> None:
        """Bring the views up to date, and keep them so until ``stopping`` is set."""
        backoff = Backoff()
        while not stopping.is_set():
            try:
                await self._keep(stopping)
            except TransientError as error:
                _log.warning("views.waiting", code=error.code, error=error.message)
                await unless_stopped(stopping, asyncio.sleep(backoff.next()))

    async def finish(self) -> None:
        """Show what was changed last, once nothing changes any more."""
        try:
            async with asyncio.timeout(_FINISH_S):
                while await self._catch_up():
                    pass
        except (TimeoutError, TransientError) as error:
            # What is due stays noted: the next start shows it.
            _log.warning("views.late", error=str(error))

    async def _keep(self, stopping: asyncio.Event) -> None:
        await self._compare()
        while not stopping.is_set():
            self._bell.clear()
            if not await self._catch_up():
                await unless_stopped(stopping, self._bell.wait())

    async def _compare(self) -> None:
        """Whatever is missing from a folder, or should not be there, is due."""
        for name, view in self._views.items():
            await view.describe(_NOTES[name])
            wanted = await self._ledger.read(lambda connection: _names(connection, name))  # noqa: B023 - awaited here
            differing = wanted ^ await asyncio.to_thread(view.names)
            entries = [(name, each) for each in sorted(differing)]
            await self._ledger.transact(lambda connection: records.mark_due(connection, entries))  # noqa: B023

    async def _catch_up(self) -> bool:
        """One round; True when there was something to do."""
        wanted = await self._ledger.read(_wanted)
        metrics.VIEWS_DUE.set(len(wanted.entries))
        if not wanted.entries:
            return False
        # One task for each pair of files: two at a time on the same file would get into each other's way.
        pairs = {(entry.view, entry.name) for entry in wanted.entries}
        await asyncio.gather(*(self._insist(view, name, wanted) for view, name in pairs))
        await self._ledger.transact(lambda connection: records.done(connection, wanted.entries))
        return True

    async def _insist(self, view: str, name: str, wanted: _Wanted) -> None:
        backoff = Backoff()
        async with self._slots:
            while True:
                try:
                    return await self._update(view, name, wanted)
                except TransientError as error:
                    _log.warning("view.waiting", view=view, code=error.code, error=error.message)
                except PermanentError as error:
                    # The blob is lost or spoilt, which a view cannot mend; the comparison at the next start tries again.
                    _log.error("view.refused", view=view, reason=error.code, error=error.message)
                    return None
                await asyncio.sleep(backoff.next())

    async def _update(self, view: str, name: str, wanted: _Wanted) -> None:
        if view == CORRUPTED:
            return await self._show_refused(name, wanted.refused.get(name))
        picture = wanted.pictures.get(name)
        if picture is None or picture.state != view:
            return await self._views[view].hide(name)
        return await self._show(picture)

    async def _show(self, picture: Picture) -> None:
        view, image = self._views[picture.state], picture.content.image
        if picture.revision > 1:
            # The picture may have become a PNG that was a JPEG: no second file may stay under its name.
            await view.hide(picture.name)
        labels = yolo_text(picture.boxes, self._catalogue)
        await view.show_text(
            picture.name, image_sha256=image.sha256, media_type=image.media_type, labels=labels
        )

    async def _show_refused(self, name: str, raw_sha256: str | None) -> None:
        if raw_sha256 is None:
            return await self._views[CORRUPTED].hide(name)
        async with self._salvaging:
            found = salvage_body(await self._blobs.get(raw_sha256), name)
            image = await self._blobs.put(found.image, found.media_type)
        return await self._views[CORRUPTED].show_text(
            name, image_sha256=image.sha256, media_type=found.media_type, labels=found.labels
        )


def _wanted(connection: Connection) -> _Wanted:
    entries = records.due(connection, _BATCH)
    return _Wanted(
        entries,
        records.load(connection, (entry.name for entry in entries if entry.view != CORRUPTED)),
        records.refused_raw(connection, (entry.name for entry in entries if entry.view == CORRUPTED)),
    )


def _names(connection: Connection, view: str) -> set[str]:
    return (
        records.refused_names(connection) if view == CORRUPTED else records.names_in(connection, State(view))
    )
