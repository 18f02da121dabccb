"""One reader of one stream, on a link of its own, as fast as its records are taken and no faster.

A broker sends a chunk per credit. As chunks are taken out here, it gets as many credits as there is room for chunks of the
size that comes: enough for good batches where every chunk holds one picture, and a slow reader slows the broker down
instead of filling the memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from rstream import schema
from rstream.constants import OffsetType

from azaion_common.platform.streams import Record
from azaion_common.platform.streams.rabbitmq import messages
from azaion_common.platform.streams.rabbitmq.cluster import Cluster
from azaion_common.platform.streams.rabbitmq.link import Link

BUFFER_BYTES = 24 << 20
FIRST_CREDIT, MOST_CREDIT = 16, 64
"""Chunks that may be under way: before their size is known, and however small they are."""
_SHRINK = 0.9
_ID = 1


class Subscription:
    """Use ``async with Subscription.open(...)``. Chunks are numbered by what they hold, never by what was asked for."""

    def __init__(self, link: Link, stream: str, credit: int) -> None:
        self._link = link
        self._stream = stream
        self._chunks: deque[schema.Deliver] = deque()
        self._arrived = asyncio.Event()
        self._credit = credit
        """Chunks that the broker may still send."""
        self._largest = 0.0
        """Bytes of the largest chunk of late; 0 until one has come."""
        link.handle(schema.Deliver, self._on_deliver)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, cluster: Cluster, stream: str, offset: int | None, *, credit: int = FIRST_CREDIT
    ) -> AsyncIterator[Subscription]:
        """From ``offset`` on, or, when that is None, the last chunk.

        Raises:
            TransientError: ``streams_unavailable``.
        """
        where = OffsetType.LAST if offset is None else OffsetType.OFFSET
        start = schema.OffsetSpec.from_params(where, offset)
        async with cluster.to_replica(stream, "reader") as link:
            subscription = cls(link, stream, credit)
            await link.ask(lambda: link.subscribe(stream, _ID, start, credit), f"read {stream}")
            yield subscription

    async def chunk(self) -> schema.Deliver:
        """The next chunk; waits for one.

        Raises:
            TransientError: the link was lost.
        """
        await self._give_credit()
        while not self._chunks:
            self._arrived.clear()
            arrived = asyncio.ensure_future(self._arrived.wait())
            either: set[asyncio.Future[Any]] = {arrived, self._link.lost}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                arrived.cancel()
            if self._link.lost.done() and not self._chunks:
                raise self._link.lost.result()
        return self._chunks.popleft()

    async def records(self, offset: int, wanted: int) -> list[Record]:
        """At least one record from ``offset`` on, and what else has arrived, until there are ``wanted``."""
        found: list[Record] = []
        while not found or (self._chunks and len(found) < wanted and _size(found) < BUFFER_BYTES):
            found += messages.records(await self.chunk(), self._stream, offset)
        return found

    async def _give_credit(self) -> None:
        waiting = sum(len(chunk.data) for chunk in self._chunks)
        more = credit_due(self._credit, waiting, self._largest) if self._largest else 0
        if more:
            self._credit += more
            await self._link.credit(_ID, more)

    def _on_deliver(self, frame: schema.Deliver) -> None:
        self._credit -= 1
        self._largest = max(1.0, len(frame.data), self._largest * _SHRINK)
        self._chunks.append(frame)
        self._arrived.set()


def credit_due(credit: int, waiting_bytes: int, chunk_bytes: float) -> int:
    """How many more chunks of ``chunk_bytes`` there is room for, with ``credit`` of them to come and some waiting."""
    room = (BUFFER_BYTES - waiting_bytes) / chunk_bytes - credit
    most = MOST_CREDIT - credit
    least = 1 if credit == 0 and not waiting_bytes else 0
    return max(least, min(int(room), most))


def _size(records: list[Record]) -> int:
    return sum(len(record.body) for record in records)
