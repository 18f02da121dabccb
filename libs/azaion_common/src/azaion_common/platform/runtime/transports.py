"""Where logs, queues, blobs and ledgers are: in the home, or wherever the settings point.

Each of the four is chosen by its own setting. What the production forms need is only imported when one is chosen:
an edge device does not install it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy import MetaData

from azaion_common.core.errors import PermanentError, SetupError
from azaion_common.core.extras import install_hint
from azaion_common.platform.database.engine import sqlite_url
from azaion_common.platform.jobs import JobQueue
from azaion_common.platform.jobs.sqlite import SqliteJobQueue
from azaion_common.platform.ledger import directory, tables
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.runtime.running import anything_runs, is_running
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.storage import BlobStore
from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.streams import EventLog
from azaion_common.platform.streams.sqlite import SqliteEventLog

if TYPE_CHECKING:
    from azaion_common.platform.storage.s3 import S3Location

START_S = 30.0
"""How long what is only starting may take."""
START_AGAIN_S = 0.1
COMMAND = "command"
"""What the broker's operators see of a command that is no service."""


def log_path(home: Path) -> Path:
    """Where the embedded event log lies."""
    return home / "streams" / "log.sqlite"


def queue_path(home: Path) -> Path:
    """Where the embedded job queues lie."""
    return home / "jobs" / "queue.sqlite"


def ledger_path(home: Path, ledger: str) -> Path:
    """Where an embedded ledger lies."""
    return home / "ledgers" / f"{ledger}.sqlite"


def blobs_path(home: Path) -> Path:
    """Where the embedded blob store lies."""
    return home / "blobs"


def releases_path(home: Path) -> Path:
    """Where the embedded store of sealed releases lies."""
    return home / "releases"


def check_exists(home: Path, settings: PlatformSettings) -> None:
    """For commands that look at a home or ask for its work: an embedded log is not to be made by looking for it.

    Raises:
        PermanentError: ``home_missing``.
    """
    if settings.streams_url is None and not _appears(home, log_path(home)):
        raise PermanentError(
            "home_missing",
            _why_no_home(home),
            hint="name the right folder with --home; azaion up and azaion annotations import make a home",
        )


def _why_no_home(home: Path) -> str:
    if not home.exists():
        return f"there is no folder {home}"
    if not home.is_dir():
        return f"{home} is a file, not a home"
    return f"{home} is no home yet: it holds no event log"


def _appears(home: Path, path: Path) -> bool:
    """Whether ``path`` is there, or comes while services start on ``home``. Blocks as long."""
    if path.exists() or not anything_runs(home):
        return path.exists()
    _tell_of_start(home.name)
    until = time.monotonic() + START_S
    while not path.exists() and time.monotonic() < until and anything_runs(home):
        time.sleep(START_AGAIN_S)
    return path.exists()


def _tell_of_start(what: str) -> None:
    sys.stderr.write(f"{what}: the services are starting; waiting\n")


def open_log(
    home: Path, settings: PlatformSettings, name: str = COMMAND
) -> AbstractAsyncContextManager[EventLog]:
    """The event log; ``name`` is what a broker's operators see.

    Raises:
        PermanentError: ``extra_missing``, ``streams_url_invalid``.
    """
    if settings.streams_url is None:
        return SqliteEventLog.open(log_path(home))
    with _extra():
        from azaion_common.platform.streams.rabbitmq import RabbitEventLog, StreamsLocation  # noqa: PLC0415 - optional
    location = StreamsLocation.parse(_plain(settings.streams_url))
    return RabbitEventLog.open(location, name=name, partitioning=settings.partitioning)


def open_jobs(
    home: Path, settings: PlatformSettings, name: str = COMMAND
) -> AbstractAsyncContextManager[JobQueue]:
    """The job queues. Leases are in the ledgers' database.

    Raises:
        PermanentError: ``extra_missing``, ``jobs_url_invalid``.
    """
    if settings.jobs_url is None:
        return SqliteJobQueue.open(queue_path(home))
    with _extra():
        from azaion_common.platform.jobs.rabbitmq import RabbitJobQueue  # noqa: PLC0415 - optional
    leases = _plain(settings.ledger_url) or sqlite_url(home / "jobs" / "leases.sqlite")
    return RabbitJobQueue.open(_plain(settings.jobs_url), leases, name=f"azaion {name}")


@asynccontextmanager
async def open_blobs(home: Path, settings: PlatformSettings) -> AsyncIterator[BlobStore]:
    """The blob store.

    Raises:
        PermanentError: ``extra_missing``, ``blobs_url_invalid``.
    """
    if settings.blobs_url is None:
        with closing(await asyncio.to_thread(FileBlobStore.open, blobs_path(home))) as files:
            yield files
        return
    with _extra():
        from azaion_common.platform.storage.s3 import S3BlobStore  # noqa: PLC0415 - optional
    async with S3BlobStore.open(_blobs_location(settings.blobs_url, settings)) as store:
        yield store


@asynccontextmanager
async def open_releases(home: Path, settings: PlatformSettings) -> AsyncIterator[BlobStore]:
    """The store of sealed releases: nothing else lies in it, and it is all of S3 that a device may see.

    Raises:
        PermanentError: ``releases_url_missing``, ``extra_missing``, ``releases_url_invalid``.
    """
    if settings.releases_url is None and settings.blobs_url is not None:
        raise SetupError(
            "releases_url_missing",
            "blobs are on S3, and nothing says where sealed releases go",
            hint="set platform.releases_url: s3://bucket/prefix, a place of its own that devices may read",
        )
    if settings.releases_url is None:
        with closing(await asyncio.to_thread(FileBlobStore.open, releases_path(home))) as files:
            yield files
        return
    with _extra():
        from azaion_common.platform.storage.s3 import S3BlobStore  # noqa: PLC0415 - optional
    async with S3BlobStore.open(_releases_location(settings.releases_url, settings)) as store:
        yield store


async def make_buckets(settings: PlatformSettings) -> list[str]:
    """Make the buckets of blobs and releases, and return their addresses; one of ours that is there stays as it is.

    Raises:
        PermanentError: ``no_bucket``: the settings name none; and as ``storage.s3.make_bucket``.
    """
    if settings.blobs_url is None and settings.releases_url is None:
        raise PermanentError(
            "no_bucket",
            "blobs are kept in the home: there is no bucket to make",
            hint="set platform.blobs_url",
        )
    with _extra():
        from azaion_common.platform.storage import s3  # noqa: PLC0415 - optional
    made = []
    for url, location_of in (
        (settings.blobs_url, _blobs_location),
        (settings.releases_url, _releases_location),
    ):
        if url is not None:
            await s3.make_bucket(location_of(url, settings))
            made.append(url)
    return made


async def make_streams(settings: PlatformSettings, streams: Sequence[str]) -> list[str]:
    """Make ``streams`` on the broker, those in parts as the settings say; their names, the log's own one among them.

    Raises:
        TransientError: ``streams_unavailable``.
        PermanentError: ``broker_denied``, ``partitions_differ``, ``extra_missing``, ``streams_url_invalid``.
    """
    with _extra():
        from azaion_common.platform.streams.rabbitmq import RabbitEventLog, StreamsLocation  # noqa: PLC0415 - optional
        from azaion_common.platform.streams.rabbitmq.topology import CONTROL_STREAM  # noqa: PLC0415 - optional
    location = StreamsLocation.parse(_plain(settings.streams_url))
    wanted = [*streams, CONTROL_STREAM]
    async with RabbitEventLog.open(location, name="setup", partitioning=settings.partitioning) as log:
        for stream in wanted:
            await log.make(stream)
    return wanted


async def make_queues(settings: PlatformSettings, queues: Sequence[str]) -> list[str]:
    """Make ``queues`` on the broker, and the dead letters' one; their names.

    Raises:
        TransientError: ``jobs_unavailable``.
        PermanentError: ``broker_denied``, ``queue_mismatch``, ``extra_missing``, ``jobs_url_invalid``.
    """
    with _extra():
        from azaion_common.platform.jobs.rabbitmq.link import Link  # noqa: PLC0415 - optional
        from azaion_common.platform.jobs.rabbitmq.location import JobsLocation  # noqa: PLC0415 - optional
    location = JobsLocation.parse(_plain(settings.jobs_url))
    async with Link.open(location, name="azaion setup") as link, link.channel("make queues") as channel:
        for queue in queues:
            await link.declare(channel, queue)
    return list(queues)


def _blobs_location(url: str, settings: PlatformSettings) -> S3Location:
    return _s3_location("blobs_url", url, settings, (settings.s3_access_key, settings.s3_secret_key))


def _releases_location(url: str, settings: PlatformSettings) -> S3Location:
    keys = (settings.releases_access_key, settings.releases_secret_key)
    if keys == (None, None):
        keys = (settings.s3_access_key, settings.s3_secret_key)
    return _s3_location("releases_url", url, settings, keys)


def _s3_location(
    setting: str, url: str, settings: PlatformSettings, keys: tuple[str | None, SecretStr | None]
) -> S3Location:
    from azaion_common.platform.storage.s3 import S3Location  # noqa: PLC0415 - optional

    access_key, secret_key = keys
    return S3Location.parse(
        url,
        endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region,
        access_key=access_key,
        secret_key=_plain(secret_key) or None,
        setting=setting,
    )


def ledger_url(home: Path, settings: PlatformSettings, ledger: str) -> str:
    """The database that holds ``ledger``; the folder of an embedded one is made when missing."""
    return _plain(settings.ledger_url) or sqlite_url(ledger_path(home, ledger))


@asynccontextmanager
async def look_into_ledger(home: Path, settings: PlatformSettings, ledger: str) -> AsyncIterator[Ledger]:
    """``ledger`` beside its owner, who may be at work; nothing is made.

    Raises:
        TransientError: ``ledger_unavailable``.
        PermanentError: ``ledger_denied``, ``ledger_url_invalid``.
    """
    url = await asyncio.to_thread(ledger_url, home, settings, ledger)
    async with Ledger.open(url, ledger, MetaData(), exclusive=False) as opened:
        await _until_made(home, settings, opened)
        yield opened


async def _until_made(home: Path, settings: PlatformSettings, ledger: Ledger) -> None:
    """Wait while the service that has just started makes the tables of its first ledger."""
    service, told, until = ledger.service.partition(".")[0], False, time.monotonic() + START_S
    while not await _is_made(ledger):
        if time.monotonic() > until or not await asyncio.to_thread(is_running, home, settings, service):
            return
        if not told:
            _tell_of_start(ledger.service)
            told = True
        await asyncio.sleep(START_AGAIN_S)


async def _is_made(ledger: Ledger) -> bool:
    """Whether its owner has opened it before: it has an epoch then."""
    query = sa.select(tables.IDENTITY.c.epoch)
    try:
        return await ledger.read(lambda connection: connection.execute(query).first() is not None)
    except SetupError as error:
        if error.code != "ledger_outdated":
            raise
        return False


def ledger_names(home: Path, settings: PlatformSettings) -> list[str]:
    """Every ledger that there is, sorted. Blocks while it asks a server.

    Raises:
        TransientError: ``ledger_unavailable``.
        PermanentError: ``ledger_denied``, ``ledger_url_invalid``.
    """
    if settings.ledger_url is None:
        return sorted(path.stem for path in (home / "ledgers").glob("*.sqlite"))
    return directory.names(_plain(settings.ledger_url))


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise PermanentError(
            "extra_missing",
            f"{error.name} is not installed, which this platform needs",
            hint=install_hint("production"),
        ) from error
