"""The embedded platform: everything in one folder, no broker, no server, no network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from sqlalchemy import MetaData

from azaion_common.catalogue import Catalogue
from azaion_common.jobs.sqlite import SqliteJobQueue
from azaion_common.ledger.ledger import Ledger, sqlite_url
from azaion_common.ledger.relay import Relay
from azaion_common.runtime.health import Health
from azaion_common.runtime.platform import Platform
from azaion_common.runtime.settings import PlatformSettings
from azaion_common.storage.files import FileBlobStore
from azaion_common.streams.sqlite import SqliteEventLog

FLUSH_TIMEOUT_S = 5.0


def log_path(home: Path) -> Path:
    """Where the embedded event log lies."""
    return home / "streams" / "log.sqlite"


def queue_path(home: Path) -> Path:
    """Where the embedded job queues lie."""
    return home / "jobs" / "queue.sqlite"


def ledger_path(home: Path, service: str) -> Path:
    """Where the embedded ledger of a service lies."""
    return home / "ledgers" / f"{service}.sqlite"


def catalogue_of(home: Path, settings: PlatformSettings) -> Catalogue:
    """The catalogue that the settings name, or the neutral default."""
    if settings.catalogue is None:
        return Catalogue.default()
    return Catalogue.load(home / settings.catalogue.expanduser())


@asynccontextmanager
async def open_embedded(home: Path, settings: PlatformSettings | None = None) -> AsyncIterator[Platform]:
    """The platform in the folder ``home``, made when missing."""
    settings = settings or PlatformSettings.load(home, "platform")
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(SqliteEventLog.open(log_path(home)))
        jobs = await stack.enter_async_context(SqliteJobQueue.open(queue_path(home)))

        @asynccontextmanager
        async def open_ledger(service: str, metadata: MetaData) -> AsyncIterator[Ledger]:
            url = await asyncio.to_thread(sqlite_url, ledger_path(home, service))
            async with Ledger.open(url, service, metadata) as ledger, _relaying(Relay(ledger, log, jobs)):
                yield ledger

        yield Platform(
            home=home,
            log=log,
            jobs=jobs,
            blobs=await asyncio.to_thread(FileBlobStore.open, home / "blobs"),
            catalogue=catalogue_of(home, settings),
            stopping=asyncio.Event(),
            health=Health(),
            api_url=settings.api_url,
            open_ledger=open_ledger,
        )


@asynccontextmanager
async def _relaying(relay: Relay) -> AsyncIterator[None]:
    """Carry the outbox while the block runs, and once more at its end."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(relay.run(), name="relay")
        try:
            yield
            async with asyncio.timeout(FLUSH_TIMEOUT_S):
                await relay.flush()
        finally:
            task.cancel()
