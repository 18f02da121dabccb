"""``EventLog`` on RabbitMQ Streams."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from rstream import schema

from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.core.seldom import Seldom
from azaion_common.platform.streams import Message, Record
from azaion_common.platform.streams.partitions import Partitioning
from azaion_common.platform.streams.rabbitmq.acknowledgements import Acknowledgements
from azaion_common.platform.streams.rabbitmq.cluster import Cluster
from azaion_common.platform.streams.rabbitmq.location import StreamsLocation
from azaion_common.platform.streams.rabbitmq.subscription import Subscription
from azaion_common.platform.streams.rabbitmq.topology import Retention, Topology
from azaion_common.platform.streams.rabbitmq.turns import turns
from azaion_common.platform.streams.rabbitmq.writer import Writer

LAST_CHUNK_S = 3.0
_RECONNECT_CAP_S = 5.0
_log = structlog.get_logger(__name__)


@dataclass
class _Place:
    """Where a reader is, and the digest of the record just before: offsets alone do not survive a broker's loss."""

    offset: int
    after: bytes | None

    def passed(self, record: Record) -> None:
        self.offset, self.after = record.offset + 1, digest(record.body)


class RabbitEventLog:
    """The production form. Use ``async with RabbitEventLog.open(location, name="ingestor")``."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._writers: dict[tuple[str, str | None], Writer] = {}
        self._acknowledgements = Acknowledgements(self)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        location: StreamsLocation,
        *,
        name: str,
        retention: Retention | None = None,
        partitioning: Partitioning | None = None,
    ) -> AsyncIterator[RabbitEventLog]:
        """Connects at the first use; ``name`` is what the broker's operators see.

        Args:
            location: broker, virtual host and credentials.
            name: of the connections.
            retention: for streams that have to be made.
            partitioning: streams that are made as super streams.
        """
        topology = Topology(retention or Retention(), partitioning or Partitioning())
        async with Cluster.open(location, name=f"azaion {name}", topology=topology) as cluster:
            log = cls(cluster)
            try:
                yield log
            finally:
                for writer in log._writers.values():
                    await writer.close()

    async def make(self, stream: str) -> None:
        """Make ``stream`` unless it is there; of a partitioned stream, all parts. Raises as ``Cluster.ensure``."""
        await self._cluster.ensure(self._cluster.topology.partitioning.streams(stream)[0])

    async def append(self, stream: str, messages: Sequence[Message], *, producer: str | None = None) -> None:
        if messages:
            writer = self._writers.setdefault((stream, producer), Writer(self._cluster, stream, producer))
            await writer.append(messages)

    async def follow(
        self, stream: str, offset: int = 0, *, max_batch: int = 100, after: bytes | None = None
    ) -> AsyncIterator[list[Record]]:
        place, backoff, seldom = _Place(offset, after), Backoff(cap_s=_RECONNECT_CAP_S), Seldom()
        while True:
            try:
                async for records in self._read_on(stream, place, max_batch):
                    backoff.reset()
                    seldom.over()
                    yield records
            except TransientError as error:
                if error.code in ("log_regressed", "log_truncated"):
                    raise
                self._cluster.forget(stream)
                if seldom.due(error.code):
                    _log.warning("stream.reader_waiting", stream=stream, code=error.code, error=error.message)
            await asyncio.sleep(backoff.next())

    async def _read_on(self, stream: str, place: _Place, max_batch: int) -> AsyncIterator[list[Record]]:
        """Batches over one connection, until it is lost."""
        await self._check_range(stream, place.offset)
        start = place.offset - 1 if place.after is not None else place.offset
        async with Subscription.open(self._cluster, stream, start) as subscription:
            expected = place.after
            while True:
                records = await subscription.records(start, max_batch)
                if expected is not None:
                    records, expected = _without_known(stream, records, place, expected), None
                for first in range(0, len(records), max_batch):
                    batch = records[first : first + max_batch]
                    yield batch
                    place.passed(batch[-1])
                start = place.offset

    async def _check_range(self, stream: str, offset: int) -> None:
        """Refuse to read on where the log does not hold what comes next.

        Raises:
            TransientError: ``log_regressed``.
            PermanentError: ``log_truncated``.
        """
        if offset == 0:
            return
        stats = await self._cluster.stats(stream)
        if not stats.is_empty and stats.first > offset:
            raise PermanentError(
                "log_truncated",
                f"{stream} begins at offset {stats.first} now, and {offset} was to be read next",
                hint="retention removed what was not read yet; see docs/operations.md, 'a reader was overtaken'",
            )
        if stats.last < offset and (end := await self.end(stream)) < offset:
            raise regressed(stream, f"it ends at offset {end}, and {offset} was to be read next")

    async def read(self, stream: str, offset: int = 0, *, limit: int = 100) -> list[Record]:
        end = await self.end(stream)
        if offset >= end:
            return []
        found: list[Record] = []
        async with Subscription.open(self._cluster, stream, offset) as subscription:
            while len(found) < limit and (not found or found[-1].offset < end - 1):
                found += await subscription.records(offset, limit)
        return found[:limit]

    async def end(self, stream: str) -> int:
        stats = await self._cluster.stats(stream)
        if stats.is_empty:
            return 0
        async with Subscription.open(self._cluster, stream, None, credit=1) as subscription:
            try:
                async with asyncio.timeout(LAST_CHUNK_S):
                    chunk = await subscription.chunk()
            except TimeoutError:  # nothing but the broker's own bookkeeping
                return stats.last + 1
        return _end_of(chunk)

    async def first(self, stream: str) -> int:
        return max(0, (await self._cluster.stats(stream)).first)

    async def count(self, stream: str, before: int | None = None) -> int:
        end = await self.end(stream)
        limit = end if before is None else min(before, end)
        if limit <= await self.first(stream):
            return 0
        counted = 0
        async with Subscription.open(self._cluster, stream, 0) as subscription:
            while True:
                chunk = await subscription.chunk()
                counted += max(0, min(_end_of(chunk), limit) - chunk.chunk_first_offset)
                if _end_of(chunk) >= limit:
                    return counted

    async def last_seq(self, stream: str, producer: str) -> int | None:
        if (await self._cluster.stats(stream)).is_empty:
            return None
        return await self._cluster.last_seq(stream, producer) or None

    def turns(self, stream: str, *, group: str) -> AsyncIterator[asyncio.Event]:
        whole = self._cluster.topology.partitioning.whole(stream) or stream
        return turns(self._cluster, whole, stream, group)

    async def acknowledge(self, stream: str, reader: str, positions: Mapping[str, int]) -> None:
        await self._acknowledgements.tell(stream, reader, positions)

    async def acknowledged(self, stream: str, producer: str) -> Mapping[str, int]:
        return await self._acknowledgements.of(stream, producer)


def digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def regressed(stream: str, why: str) -> TransientError:
    return TransientError("log_regressed", f"{stream} is not the log that was read before: {why}")


def _without_known(stream: str, records: list[Record], place: _Place, expected: bytes) -> list[Record]:
    """Take away the record that was read last, which has to be there still, as it was.

    Raises:
        TransientError: ``log_regressed``.
    """
    known = records[0]
    if known.offset != place.offset - 1 or digest(known.body) != expected:
        raise regressed(stream, f"another message is at offset {place.offset - 1}")
    return records[1:]


def _end_of(chunk: schema.Deliver) -> int:
    return chunk.chunk_first_offset + chunk.num_records
