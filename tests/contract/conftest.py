"""The transports that the behaviour suites run on. A new one is a line in ``TRANSPORTS`` and three factories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from testservers.locations import stream_location

from azaion_common.jobs import JobQueue
from azaion_common.jobs.sqlite import SqliteJobQueue
from azaion_common.storage import BlobStore
from azaion_common.storage.files import FileBlobStore
from azaion_common.streams import EventLog
from azaion_common.streams.rabbitmq import RabbitEventLog
from azaion_common.streams.sqlite import SqliteEventLog
from azaion_common.testing.transports import OpenLog, OpenQueue

TRANSPORTS = ("embedded", "production")


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def open_log(transport: str, tmp_path: Path, request: pytest.FixtureRequest) -> OpenLog:
    """Opens one more connection to the same log."""
    if transport == "embedded":
        return lambda: SqliteEventLog.open(tmp_path / "log.sqlite")
    location = stream_location(request.getfixturevalue("rabbitmq"), request.getfixturevalue("vhost"))
    return lambda: RabbitEventLog.open(location, name="test")


@pytest.fixture
async def log(open_log: OpenLog) -> AsyncIterator[EventLog]:
    async with open_log() as opened:
        yield opened


@pytest.fixture
def open_queue(transport: str, tmp_path: Path) -> OpenQueue:
    """Opens one more connection to the same queues."""
    return {"embedded": lambda: SqliteJobQueue.open(tmp_path / "queue.sqlite")}[transport]


@pytest.fixture
async def queue(open_queue: OpenQueue) -> AsyncIterator[JobQueue]:
    async with open_queue() as opened:
        yield opened


@asynccontextmanager
async def _file_store(folder: Path) -> AsyncIterator[BlobStore]:
    yield FileBlobStore.open(folder)


@pytest.fixture
async def blobs(transport: str, tmp_path: Path) -> AsyncIterator[BlobStore]:
    factories = {"embedded": lambda: _file_store(tmp_path / "blobs")}
    async with factories[transport]() as store:
        yield store
