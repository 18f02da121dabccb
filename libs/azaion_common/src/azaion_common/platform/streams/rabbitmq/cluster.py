"""Which broker leads which stream, and the questions that any broker answers."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from rstream import exceptions
from rstream.schema import Broker

from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import SetupError, TransientError
from azaion_common.platform.streams.rabbitmq.errors import UNAVAILABLE, typed_errors
from azaion_common.platform.streams.rabbitmq.frames import StreamStats
from azaion_common.platform.streams.rabbitmq.link import REQUEST_S, Link
from azaion_common.platform.streams.rabbitmq.location import StreamsLocation
from azaion_common.platform.streams.rabbitmq.topology import Topology

ELECTION_S = 5.0
ELECTING = "leader_missing"

Address = tuple[str, int]
Answer = TypeVar("Answer")


@dataclass
class Cluster:
    """Use ``async with Cluster.open(...)``. One link for questions; readers and writers get links of their own."""

    location: StreamsLocation
    name: str
    topology: Topology
    """How streams are made that are missing."""
    _link: Link | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _known: set[str] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, location: StreamsLocation, *, name: str, topology: Topology
    ) -> AsyncIterator[Cluster]:
        """Connects at the first question."""
        cluster = cls(location, name, topology)
        try:
            yield cluster
        finally:
            await cluster._stack.aclose()

    async def ask(self, question: Callable[[Link], Awaitable[Answer]], doing: str) -> Answer:
        """The answer of any broker; on a fresh link when the old one turns out to be lost.

        Raises:
            TransientError: ``streams_unavailable``, ``stream_missing``.
            PermanentError: ``broker_denied``, ``broker_untrusted``.
        """
        had = self._link
        try:
            return await self._ask(question, doing)
        except TransientError as error:
            if error.code != UNAVAILABLE or had is None:
                raise
        return await self._ask(question, doing)

    async def _ask(self, question: Callable[[Link], Awaitable[Answer]], doing: str) -> Answer:
        link = await self._sound_link()
        with typed_errors(doing):
            try:
                async with asyncio.timeout(REQUEST_S):
                    return await question(link)
            except TimeoutError:
                link.lose(TransientError(UNAVAILABLE, f"no answer: cannot {doing}"))
                raise

    async def _sound_link(self) -> Link:
        async with self._lock:
            if self._link is None or self._link.lost.done():
                await self._stack.aclose()
                self._link = None
                self._link = await self._stack.enter_async_context(
                    Link.connect(self.location, name=f"{self.name} locator")
                )
            return self._link

    async def ensure(self, stream: str) -> None:
        """Make ``stream`` unless it is there; of a partitioned stream, all parts.

        Raises:
            TransientError: ``streams_unavailable``.
            PermanentError: ``partitions_differ``: it has other parts than the settings say.
        """
        if stream not in self._known:
            whole = self.topology.partitioning.whole(stream)
            create = self._create(stream) if whole is None else self._create_parts(whole)
            await self.ask(create, f"make stream {stream}")
            self._known.add(stream)

    def _create(self, stream: str) -> Callable[[Link], Awaitable[None]]:
        async def create(link: Link) -> None:
            async with _unless_there(link, stream):
                await link.create_stream(stream, dict(self.topology.arguments(stream)))

        return create

    def _create_parts(self, whole: str) -> Callable[[Link], Awaitable[None]]:
        parts = self.topology.partitioning.streams(whole)
        keys = [str(index) for index in range(len(parts))]

        async def create(link: Link) -> None:
            async with _unless_there(link, parts[-1]):
                await link.create_super_stream(whole, parts, keys, dict(self.topology.arguments(parts[0])))
            found = await link.partitions(whole)
            if sorted(found) != sorted(parts):
                raise SetupError(
                    "partitions_differ",
                    f"{whole} has {len(found)} parts on the broker, {len(parts)} in the settings",
                    hint="set platform.partitions as it is; docs/operations.md says how to change it",
                )

        return create

    def forget(self, stream: str) -> None:
        """``stream`` may have been deleted: look again before the next use."""
        self._known.discard(stream)

    async def stats(self, stream: str) -> StreamStats:
        """First and last chunk; an empty stream for one that does not exist."""
        found = await self.ask(lambda link: link.stream_stats(stream), f"look at {stream}")
        return found or StreamStats(-1, -1)

    async def last_seq(self, stream: str, producer: str) -> int:
        """The highest publishing id stored under ``producer``; 0 when there is none."""
        return await self.ask(
            lambda link: link.query_publisher_sequence(stream, producer),
            f"ask for the last message of {producer}",
        )

    @asynccontextmanager
    async def to_leader(self, stream: str, purpose: str) -> AsyncIterator[Link]:
        """A link of one's own to the broker that takes messages for ``stream``, which is made when missing."""
        leader, replicas = await self._places(stream)
        async with AsyncExitStack() as stack:
            yield await self._reach(stack, leader, purpose, alone=not set(replicas) - {leader})

    @asynccontextmanager
    async def to_replica(self, stream: str, purpose: str) -> AsyncIterator[Link]:
        """A link of one's own to a broker that hands out ``stream``, which is made when missing."""
        leader, replicas = await self._places(stream)
        chosen = random.choice(replicas or [leader])  # noqa: S311 - spreads the load
        async with AsyncExitStack() as stack:
            yield await self._reach(stack, chosen, purpose, alone=not set(replicas) - {leader})

    async def _reach(self, stack: AsyncExitStack, broker: Address, purpose: str, *, alone: bool) -> Link:
        """By the address that it calls itself, or, where it holds the stream ``alone``, by ours: a broker in a container or
        behind a forwarded port seldom knows its address outside.
        """
        try:
            return await stack.enter_async_context(self._connect(broker, purpose))
        except TransientError:
            own = (self.location.host, self.location.port)
            if not alone or own == broker:
                raise
            return await stack.enter_async_context(self._connect(own, purpose))

    def _connect(self, address: Address, purpose: str) -> AbstractAsyncContextManager[Link]:
        host, port = address
        return Link.connect(self.location, name=f"{self.name} {purpose}", host=host, port=port)

    async def _places(self, stream: str) -> tuple[Address, list[Address]]:
        """Where its leader and its replicas are; a stream that was made just now takes a moment to have them."""
        await self.ensure(stream)
        until, backoff = time.monotonic() + ELECTION_S, Backoff(base_s=0.02, cap_s=0.5)
        while True:
            try:
                leader, replicas = await self.ask(
                    lambda link: _places_of(link, stream), f"find the leader of {stream}"
                )
                return (leader.host, leader.port), [(each.host, each.port) for each in replicas]
            except TransientError as error:
                if error.code == "stream_missing":
                    self.forget(stream)
                if error.code != ELECTING or time.monotonic() > until:
                    raise
            await asyncio.sleep(backoff.next())


@asynccontextmanager
async def _unless_there(link: Link, stream: str) -> AsyncIterator[None]:
    """Let the broker refuse to make a stream that is there, by whoever made it with whatever limits.

    It says so in three ways: that it exists, that it has other arguments, that this user may make none.
    """
    try:
        yield
    except exceptions.StreamAlreadyExists:
        return
    except (exceptions.PreconditionFailed, exceptions.AccessRefused):
        if await link.stream_stats(stream) is None:
            raise


async def _places_of(link: Link, stream: str) -> tuple[Broker, list[Broker]]:
    try:
        return await link.query_leader_and_replicas(stream)
    except (exceptions.LeaderNotAvailable, exceptions.StreamNotAvailable) as error:
        raise TransientError(ELECTING, f"{stream} has no leader now") from error
