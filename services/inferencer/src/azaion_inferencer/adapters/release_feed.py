"""Announced releases, from the stream ``azaion.models``."""

from __future__ import annotations

from collections.abc import AsyncIterator

from azaion_common.errors import PermanentError
from azaion_common.events import ModelPublished, models
from azaion_common.events.codec import UnknownEventType, decode
from azaion_common.streams import EventLog, Record

_PAGE = 200


class ReleaseFeed:
    """Releases for one target; later ones have higher numbers."""

    def __init__(self, log: EventLog, target: str) -> None:
        self._log = log
        self._target = target

    async def newest(self) -> ModelPublished | None:
        """The newest release that was announced, None before the first."""
        newest: ModelPublished | None = None
        offset = 0
        while records := await self._log.read(models.STREAM, offset, limit=_PAGE):
            for release in filter(None, map(self._release, records)):
                newest = _newer(newest, release)
            offset = records[-1].offset + 1
        return newest

    async def follow(self) -> AsyncIterator[ModelPublished]:
        """Every announcement from now on, for ever."""
        async for records in self._log.follow(models.STREAM, await self._log.end(models.STREAM)):
            for release in filter(None, map(self._release, records)):
                yield release

    def _release(self, record: Record) -> ModelPublished | None:
        """None for other events, and for what cannot be read: a device has nobody to hand a dead letter to."""
        try:
            event = decode(record.body).event
        except (UnknownEventType, PermanentError):
            return None
        return event if isinstance(event, ModelPublished) and event.target == self._target else None


def _newer(one: ModelPublished | None, other: ModelPublished) -> ModelPublished:
    return other if one is None or other.release > one.release else one
