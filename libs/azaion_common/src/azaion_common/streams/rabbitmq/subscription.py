"""One reader of one stream, on a link of its own, as fast as its records are taken and no faster.

A broker sends a chunk per credit. Credits go back as chunks are taken out here, while little waits, so a slow reader
slows the broker down instead of filling the memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from rstream import schema
from rstream.constants import OffsetType

from azaion_common.streams import Record
from azaion_common.streams.rabbitmq import messages
from azaion_common.streams.rabbitmq.cluster import Cluster
from azaion_common.streams.rabbitmq.link import Link

CREDIT = 16
BUFFER_BYTES = 8 << 20
_ID = 1


class Subscription:
    """Use ``async with Subscription.open(...)``. Chunks are numbered by what they hold, never by what was asked for."""

    def __init__(self, link: Link, stream: str) -> None:
        self._link = link
        self._stream = stream
        self._chunks: deque[schema.Deliver] = deque()
        self._arrived = asyncio.Event()
        self._owed = 0
        link.handle(schema.Deliver, self._on_deliver)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, cluster: Cluster, stream: str, offset: int | None, *, credit: int = CREDIT
    ) -> AsyncIterator[Subscription]:
        """From ``offset`` on, or, when that is None, the last chunk.

        Raises:
            TransientError: ``streams_unavailable``.
        """
        where = OffsetType.LAST if offset is None else OffsetType.OFFSET
        start = schema.OffsetSpec.from_params(where, offset)
        async with cluster.to_replica(stream, "reader") as link:
            subscription = cls(link, stream)
            await link.ask(lambda: link.subscribe(stream, _ID, start, credit), f"read {stream}")
            yield subscription

    async def chunk(self) -> schema.Deliver:
        """The next chunk; waits for one.

        Raises:
            TransientError: the link was lost.
        """
        await self._return_credit()
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
        self._owed += 1
        return self._chunks.popleft()

    async def records(self, offset: int, wanted: int) -> list[Record]:
        """At least one record from ``offset`` on, and what else has arrived, until there are ``wanted``."""
        found: list[Record] = []
        while not found or (self._chunks and len(found) < wanted and _size(found) < BUFFER_BYTES):
            found += messages.records(await self.chunk(), self._stream, offset)
        return found

    async def _return_credit(self) -> None:
        if self._owed and sum(len(chunk.data) for chunk in self._chunks) < BUFFER_BYTES:
            owed, self._owed = self._owed, 0
            await self._link.credit(_ID, owed)

    def _on_deliver(self, frame: schema.Deliver) -> None:
        self._chunks.append(frame)
        self._arrived.set()


def _size(records: list[Record]) -> int:
    return sum(len(record.body) for record in records)
