"""A process' turns at a part of a partitioned stream: RabbitMQ's single active consumer decides whose turn it is.

The subscription carries no data (its credit is 0). It only takes part in the group: the broker gives each part to one
member, spreads the parts evenly, and moves them when members come and go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import structlog
from rstream import schema
from rstream.constants import OffsetType

from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import TransientError
from azaion_common.platform.streams.rabbitmq.cluster import Cluster
from azaion_common.platform.streams.rabbitmq.link import Link

_ID = 1
_CREDIT = 0
_RECONNECT_CAP_S = 3.0
_log = structlog.get_logger(__name__)


async def turns(cluster: Cluster, stream: str, part: str, group: str) -> AsyncIterator[asyncio.Event]:
    """As ``EventLog.turns``, for one part of ``stream``."""
    backoff = Backoff(cap_s=_RECONNECT_CAP_S)
    while True:
        try:
            async with cluster.to_replica(part, f"member of {group}") as link:
                member = await _Member.join(link, stream, part, group)
                try:
                    while True:
                        backoff.reset()
                        yield await member.turn()
                        await member.give_back()
                finally:
                    await member.leave()
        except TransientError as error:
            cluster.forget(part)
            _log.warning("stream.member_waiting", stream=part, code=error.code, error=error.message)
        await asyncio.sleep(backoff.next())


class _Member:
    """One subscription in the group of one part."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._updates: asyncio.Queue[schema.ConsumerUpdateResponse] = asyncio.Queue()
        self._next: asyncio.Future[schema.ConsumerUpdateResponse] | None = None
        link.handle(schema.ConsumerUpdateResponse, self._updates.put_nowait)

    @classmethod
    async def join(cls, link: Link, stream: str, part: str, group: str) -> _Member:
        member = cls(link)
        properties = {"single-active-consumer": "true", "name": group}
        if part != stream:
            properties["super-stream"] = stream
        start = schema.OffsetSpec.from_params(OffsetType.NEXT, None)
        await link.ask(lambda: link.subscribe(part, _ID, start, _CREDIT, properties), f"join {group}")
        return member

    async def turn(self) -> asyncio.Event:
        """Wait for the turn; the event is set when it is to end, or has ended with the connection.

        Raises:
            TransientError: the link was lost.
        """
        while not (update := await self._news()).active:
            await self._answer(update)
        await self._answer(update)
        ending = asyncio.Event()
        self._next = asyncio.ensure_future(self._news())
        self._next.add_done_callback(lambda _: ending.set())
        return ending

    async def give_back(self) -> None:
        """Tell the broker that nothing is done with the part any more; raises as ``turn``."""
        if self._next is not None:
            await self._answer(await self._next)

    async def leave(self) -> None:
        """Wait for nothing any more."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)

    async def _news(self) -> schema.ConsumerUpdateResponse:
        update = asyncio.ensure_future(self._updates.get())
        either: set[asyncio.Future[Any]] = {update, self._link.lost}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not update.done():
                raise self._link.lost.result()
            return update.result()
        finally:
            update.cancel()

    async def _answer(self, update: schema.ConsumerUpdateResponse) -> None:
        where = schema.OffsetSpecification(OffsetType.NEXT, 0)
        await self._link.consumer_update(update.correlation_id, where)
