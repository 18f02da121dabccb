"""The transports that the behaviour suites run on. A new one is a line in ``TRANSPORTS`` and three factories."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from s3test.rig import BIG, Rig, open_rig, small_part_server
from testservers.given import GivenPostgres, GivenRabbit, GivenS3
from testservers.locations import amqp_url, s3_location, stream_location
from testservers.postgres import PrivatePostgres
from testservers.rabbitmq import PrivateRabbit
from testservers.s3 import PrivateS3

from azaion_common.platform.database.engine import sqlite_url
from azaion_common.platform.jobs import JobQueue
from azaion_common.platform.jobs.rabbitmq import RabbitJobQueue
from azaion_common.platform.jobs.sqlite import SqliteJobQueue
from azaion_common.platform.storage import BlobStore
from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.storage.s3 import S3BlobStore, S3Location
from azaion_common.platform.streams import EventLog
from azaion_common.platform.streams.rabbitmq import RabbitEventLog, StreamsLocation
from azaion_common.platform.streams.sqlite import SqliteEventLog
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
def open_queue(transport: str, tmp_path: Path, request: pytest.FixtureRequest) -> OpenQueue:
    """Opens one more connection to the same queues."""
    if transport == "embedded":
        return lambda: SqliteJobQueue.open(tmp_path / "queue.sqlite")
    broker, ledger = request.getfixturevalue("jobs_broker"), request.getfixturevalue("jobs_ledger")
    return lambda: RabbitJobQueue.open(broker, ledger, name="test")


@pytest.fixture
def ledger_url(transport: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Of an empty database for one ledger."""
    if transport == "embedded":
        return sqlite_url(tmp_path / "ledger.sqlite")
    address: str = request.getfixturevalue("postgres").new_database()
    return address


@pytest.fixture
def location(rabbitmq: PrivateRabbit | GivenRabbit, vhost: str) -> StreamsLocation:
    """An empty virtual host for streams."""
    return stream_location(rabbitmq, vhost)


@pytest.fixture
def jobs_broker(rabbitmq: PrivateRabbit | GivenRabbit, vhost: str) -> str:
    return amqp_url(rabbitmq, vhost)


@pytest.fixture
def jobs_ledger(postgres: PrivatePostgres | GivenPostgres) -> str:
    return postgres.new_database()


@pytest.fixture
async def jobs(jobs_broker: str, jobs_ledger: str) -> AsyncIterator[RabbitJobQueue]:
    """The production form, where a test knows what is beneath it."""
    async with RabbitJobQueue.open(jobs_broker, jobs_ledger) as opened:
        yield opened


@pytest.fixture
async def queue(open_queue: OpenQueue) -> AsyncIterator[JobQueue]:
    async with open_queue() as opened:
        yield opened


@pytest.fixture
async def blobs(transport: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[BlobStore]:
    if transport == "embedded":
        yield FileBlobStore.open(tmp_path / "blobs")
        return
    async with S3BlobStore.open(request.getfixturevalue("s3_bucket")) as store:
        yield store


@pytest.fixture
def s3_bucket(s3: PrivateS3 | GivenS3) -> S3Location:
    return s3_location(s3)


@pytest.fixture(scope="session")
def small_parts() -> Iterator[PrivateS3]:
    with small_part_server() as server:
        yield server


@pytest.fixture
async def rig(small_parts: PrivateS3) -> AsyncIterator[Rig]:
    """A blob store before an S3 server that fails on demand."""
    async with open_rig(small_parts) as opened:
        yield opened


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A file of several parts."""
    path = tmp_path / "big"
    path.write_bytes(BIG)
    return path
