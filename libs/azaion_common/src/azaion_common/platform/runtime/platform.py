"""Everything outside a service that the runtime hands to it, already connected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import MetaData

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import TransientError
from azaion_common.platform.database.readings import Readings
from azaion_common.platform.jobs import JobQueue
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.relay import Relay
from azaion_common.platform.ledger.watching import watch_books
from azaion_common.platform.runtime import transports
from azaion_common.platform.runtime.health import Health
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.storage import BlobStore
from azaion_common.platform.storage.counting import CountedBlobs
from azaion_common.platform.storage.healing import HealingBlobs
from azaion_common.platform.streams import EventLog
from azaion_common.platform.streams.partitions import Partitioning

FLUSH_TIMEOUT_S = 5.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Platform:
    """The transports of this process, the user's catalogue, and the signal to stop."""

    home: Path
    log: EventLog
    jobs: JobQueue
    blobs: BlobStore
    catalogue: Catalogue
    stopping: asyncio.Event
    health: Health
    settings: PlatformSettings
    open_ledger: Callable[[str, MetaData], AbstractAsyncContextManager[Ledger]]
    """``open_ledger("ingestor", tables)``: the service's own small database, tables made, outbox relay running."""
    open_releases: Callable[[], AbstractAsyncContextManager[BlobStore]]
    """Where sealed releases lie, and nothing else: the publisher writes there, devices read there by name. Whoever does
    neither has no right to it, and does not open it."""
    open_readings: Callable[[str], AbstractAsyncContextManager[Readings]]
    """``open_readings("api")``, inside the block of the ledger: what many ask for at once is read here."""

    @property
    def api_url(self) -> str:
        return self.settings.api_url

    @property
    def partitioning(self) -> Partitioning:
        return self.settings.partitioning

    @property
    def keeps_views(self) -> bool:
        """Whether pictures are also shown as files in the home: links where blobs are files, copies otherwise."""
        return self.settings.blobs_url is None if self.settings.views is None else self.settings.views


def catalogue_of(home: Path, settings: PlatformSettings) -> Catalogue:
    """The catalogue that the settings name, or the neutral default."""
    if settings.catalogue is None:
        return Catalogue.default()
    return Catalogue.load(home / settings.catalogue.expanduser())


@asynccontextmanager
async def open_platform(
    home: Path,
    settings: PlatformSettings | None = None,
    *,
    name: str = transports.COMMAND,
    stopping: asyncio.Event | None = None,
) -> AsyncIterator[Platform]:
    """The platform that ``home`` and its settings describe; ``name`` is what a broker's operators see.

    Raises:
        TransientError: ``ledger_unavailable``: no lease table without its database.
        PermanentError: as the functions of ``runtime.transports``.
    """
    settings = settings or PlatformSettings.load(home, "platform")
    async with (
        transports.open_log(home, settings, name) as log,
        transports.open_jobs(home, settings, name) as jobs,
        transports.open_blobs(home, settings) as blobs,
    ):

        @asynccontextmanager
        async def open_ledger(service: str, metadata: MetaData) -> AsyncIterator[Ledger]:
            url = await asyncio.to_thread(transports.ledger_url, home, settings, service)
            route = settings.partitioning.stream_for
            async with (
                Ledger.open(url, service, metadata, route=route) as ledger,
                _relaying(Relay(ledger, log, jobs)),
                _beside(watch_books(ledger)),
            ):
                yield ledger

        @asynccontextmanager
        async def open_releases() -> AsyncIterator[BlobStore]:
            async with transports.open_releases(home, settings) as releases:
                yield CountedBlobs(releases)

        @asynccontextmanager
        async def open_readings(service: str) -> AsyncIterator[Readings]:
            url = await asyncio.to_thread(transports.ledger_url, home, settings, service)
            async with Readings.open(url, service) as readings:
                yield readings

        async def heal_blob(sha256: str) -> bool:
            from azaion_common.platform.runtime.healing import heal, is_sound  # noqa: PLC0415 - most processes never need it

            return await is_sound(blobs, sha256) or bool(await heal(platform, {sha256}))

        embedded = settings.blobs_url is None and settings.streams_url is None
        platform = Platform(
            home=home,
            log=log,
            jobs=jobs,
            blobs=CountedBlobs(HealingBlobs(blobs, heal_blob) if embedded else blobs),
            catalogue=catalogue_of(home, settings),
            stopping=stopping or asyncio.Event(),
            health=Health(),
            settings=settings,
            open_ledger=open_ledger,
            open_releases=open_releases,
            open_readings=open_readings,
        )
        yield platform


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have ``work`` done while the block runs."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        finally:
            task.cancel()


@asynccontextmanager
async def _relaying(relay: Relay) -> AsyncIterator[None]:
    """Carry the outbox while the block runs, and once more at its end."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(relay.run(), name="relay")
        try:
            yield
            await _flush(relay)
        finally:
            task.cancel()


async def _flush(relay: Relay) -> None:
    """Send what is owed, if that goes quickly; the rest is sent after the next start."""
    try:
        async with asyncio.timeout(FLUSH_TIMEOUT_S):
            await relay.flush()
    except TimeoutError:
        _log.info("outbox.left_for_next_start", code="timeout")
    except TransientError as error:
        _log.info("outbox.left_for_next_start", code=error.code, error=error.message)
