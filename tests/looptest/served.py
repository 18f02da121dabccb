"""What servers hold for a system, read by plain clients: rstream, psycopg, boto3. Nothing here imports the system."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
import msgpack
import psycopg
from rstream import AMQPMessage, Consumer, ConsumerOffsetSpecification, OffsetType, amqp_decoder
from rstream.exceptions import StreamDoesNotExist
from testservers.given import GivenPostgres, GivenRabbit, GivenS3
from testservers.postgres import PrivatePostgres
from testservers.rabbitmq import PrivateRabbit
from testservers.s3 import PrivateS3

from looptest.evidence import PICTURES, STREAMS, VARIANTS, Event

_QUIET_S = 1.0


@dataclass(frozen=True)
class Servers:
    """One system's share of the test servers."""

    broker: PrivateRabbit | GivenRabbit
    vhost: str
    database: str
    """URL of PostgreSQL's own kind."""
    store: PrivateS3 | GivenS3
    bucket: str

    @classmethod
    def share(
        cls,
        broker: PrivateRabbit | GivenRabbit,
        vhost: str,
        postgres: PrivatePostgres | GivenPostgres,
        store: PrivateS3 | GivenS3,
    ) -> Servers:
        """A database and a bucket of its own beside the virtual host."""
        database = postgres.new_database().replace("postgresql+psycopg://", "postgresql://")
        return cls(broker, vhost, database, store, store.new_bucket())

    def settings(self) -> dict[str, str]:
        """The section ``platform`` of a system on them."""
        return {
            "streams_url": f"{self.broker.stream_url.rpartition('/')[0]}/{self.vhost}",
            "jobs_url": f"{self.broker.amqp_url.rpartition('/')[0]}/{self.vhost}",
            "ledger_url": self.database.replace("postgresql://", "postgresql+psycopg://"),
            "blobs_url": f"s3://{self.bucket}/blobs",
            "releases_url": f"s3://{self.bucket}/releases",
            "s3_endpoint_url": self.store.endpoint_url,
            "s3_access_key": self.store.access_key,
            "s3_secret_key": self.store.secret_key,
        }

    def environment(self) -> dict[str, str]:
        """The same, for the environment of a process."""
        return {f"AZAION_PLATFORM__{name.upper()}": value for name, value in self.settings().items()}


@dataclass(frozen=True)
class ServedEvidence:
    """As ``Evidence``, of a system on servers."""

    servers: Servers

    def events(self, stream: str, kind: str | None = None) -> list[Event]:
        """Events of a stream in order; ``kind`` without its version."""
        fields = [msgpack.unpackb(body) for body in self.bodies(stream)]
        found = [Event(each["type"].rpartition(".v")[0], each["data"]) for each in fields]
        return [event for event in found if kind in (None, event.type)]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Data of every event of a type, in whichever stream."""
        return [event.data for stream in STREAMS for event in self.events(stream, kind)]

    def bodies(self, stream: str) -> list[bytes]:
        """Every message of a stream; empty while it does not exist."""
        return [body for _, body in asyncio.run(_read(self.servers, stream))]

    def picture_rows(self) -> list[tuple[Any, ...]]:
        return self._rows("ingestor", PICTURES)

    def variant_rows(self) -> list[tuple[Any, ...]]:
        return self._rows("augmentor", VARIANTS)

    def settled(self) -> bool:
        """Nothing is unread, owed or queued any more."""
        return not (self._owed() or self._queued() or self._unread())

    def torn_blobs(self) -> list[str]:
        """Objects whose bytes are not what their name says."""
        client = self._store()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.servers.bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        assert keys
        bodies = (
            (key, client.get_object(Bucket=self.servers.bucket, Key=key)["Body"].read()) for key in keys
        )
        return [key for key, body in bodies if hashlib.sha256(body).hexdigest() != key.rpartition("/")[2]]

    def _unread(self) -> int:
        query = "SELECT stream, next_offset FROM inbox_cursor"
        cursors = [cursor for service in self._ledgers() for cursor in self._rows(service, query)]
        ends = {stream: len(self.bodies(stream)) for stream, _ in cursors}
        return sum(ends[stream] - next_offset for stream, next_offset in cursors)

    def _owed(self) -> int:
        query = "SELECT count(*) FROM outbox WHERE NOT sent"
        return sum(self._rows(service, query)[0][0] for service in self._ledgers())

    def _queued(self) -> int:
        found = self._rows("jobs", "SELECT count(*) FROM jobs WHERE NOT over")
        return int(found[0][0]) if found else 0

    def _ledgers(self) -> list[str]:
        query = "SELECT table_schema FROM information_schema.tables WHERE table_name = 'ledger_identity'"
        return [schema for (schema,) in self._rows("public", query)]

    def _rows(self, schema: str, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.servers.database, options=f"-c search_path={schema}") as connection:
            try:
                return connection.execute(query.encode()).fetchall()
            except psycopg.errors.UndefinedTable:
                return []

    def _store(self) -> Any:
        store = self.servers.store
        return boto3.client(
            "s3",
            endpoint_url=store.endpoint_url,
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
            region_name="us-east-1",
        )


async def _read(servers: Servers, stream: str) -> list[tuple[int, bytes]]:
    """Offsets and bodies from the first record on, until no more come."""
    found: list[tuple[int, bytes]] = []
    arrived = asyncio.Event()

    async def take(message: AMQPMessage, context: Any) -> None:
        found.append((context.offset, _body(message)))
        arrived.set()

    where = urlsplit(servers.broker.stream_url)
    assert where.hostname
    assert where.port
    consumer = Consumer(
        where.hostname,
        where.port,
        vhost=servers.vhost,
        username=where.username or "",
        password=where.password or "",
    )
    await consumer.start()
    first = ConsumerOffsetSpecification(OffsetType.FIRST)
    try:
        await consumer.subscribe(stream, take, decoder=amqp_decoder, offset_specification=first)
        while True:
            arrived.clear()
            await asyncio.wait_for(arrived.wait(), _QUIET_S)
    except (TimeoutError, StreamDoesNotExist):
        return found
    finally:
        await consumer.close()


def _body(message: AMQPMessage) -> bytes:
    body = message.body
    return body if isinstance(body, bytes) else b"".join(body)
