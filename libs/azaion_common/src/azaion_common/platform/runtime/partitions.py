"""Runs a service once for each part of its stream that is this process' turn; several processes share the parts.

Each part has a ledger of its own: its cursor, its effects and its sequence numbers move from process to process as one
thing, and whoever lost it without knowing can write no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

import structlog

from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import PermanentError
from azaion_common.core.stopping import items_until_stopped, unless_stopped
from azaion_common.platform.runtime.platform import Platform

_TAKEN_CAP_S = 2.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a service's stream, or the whole of one that has no parts."""

    stream: str
    ledger: str
    """``augmentor.2`` for ``azaion.images-2``; ``augmentor`` for a whole stream."""


Serve = Callable[[Platform, Part], Awaitable[None]]
"""Serves one part until the platform that it is given is stopped."""


async def serve_parts(platform: Platform, service: str, stream: str, serve: Serve) -> None:
    """Run ``serve`` for each part of ``stream`` while it is ours, until the platform is stopped."""
    streams = platform.partitioning.streams(stream)
    if streams == [stream]:
        await serve(platform, Part(stream, service))
        return
    async with asyncio.TaskGroup() as group:
        for index, name in enumerate(streams):
            group.create_task(_take_turns(platform, service, Part(name, f"{service}.{index}"), serve))


async def _take_turns(platform: Platform, service: str, part: Part, serve: Serve) -> None:
    turns = platform.log.turns(part.stream, group=service)
    async for ending in items_until_stopped(platform.stopping, turns):
        _log.info("partition.taken", stream=part.stream, service=service)
        async with _either(platform.stopping, ending) as stopping:
            await _insist(replace(platform, stopping=stopping), part, serve)
        _log.info("partition.given_back", stream=part.stream, service=service)


async def _insist(platform: Platform, part: Part, serve: Serve) -> None:
    """A process that lost its part without knowing may own the ledger for some seconds more."""
    backoff = Backoff(cap_s=_TAKEN_CAP_S)
    while not platform.stopping.is_set():
        try:
            return await serve(platform, part)
        except* PermanentError as errors:
            taken, other = errors.split(lambda error: getattr(error, "code", "") == "ledger_in_use")
            if other is not None:
                raise other from None
            _log.warning("partition.waiting", stream=part.stream, error=str(taken))
        await unless_stopped(platform.stopping, asyncio.sleep(backoff.next()))
    return None


@asynccontextmanager
async def _either(first: asyncio.Event, second: asyncio.Event) -> AsyncIterator[asyncio.Event]:
    """An event that is set as soon as one of two is."""
    result = asyncio.Event()

    async def watch(event: asyncio.Event) -> None:
        await event.wait()
        result.set()

    watching = [asyncio.create_task(watch(event)) for event in (first, second)]
    try:
        yield result
    finally:
        for task in watching:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
