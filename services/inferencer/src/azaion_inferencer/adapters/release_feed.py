"""Announced releases, from the stream ``azaion.models``.

One look gives the newest release and the place to go on from, and following begins there: nothing is announced
between the two.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress

import structlog

from azaion_common.contracts.events import ModelPublished, models
from azaion_common.contracts.events.codec import UnknownEventType, decode, type_of
from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import AzaionError, PermanentError
from azaion_common.core.seldom import Seldom
from azaion_common.platform.streams import EventLog, Record
from azaion_inferencer.announcements import NONE, START, Hearing, Look, Mark, Place, Rules

_PAGE = 200
_TYPE = "model.published.v1"
_LOST = ("log_regressed", "log_truncated")
"""The stream is another than the one that was read, or has forgotten where we were: read from its beginning."""
_log = structlog.get_logger(__name__)


class ReleaseFeed:
    """Releases for one device. ``floor`` gives the highest release that it ever ran."""

    def __init__(self, log: EventLog, rules: Rules, floor: Callable[[], Mark]) -> None:
        self._log = log
        self._rules = rules
        self._floor = floor

    async def look(self, place: Place = START) -> Look:
        """The newest release announced at ``place`` or later, up to now.

        Raises:
            AzaionError: what the log raises.
        """
        return await _Reader(self._log, self._rules, self._floor).look(place)

    async def follow(self, place: Place = START) -> AsyncIterator[Look]:
        """A look to the end of the stream, then one for each batch with something in it, for ever. Outages are waited out."""
        backoff, seldom = Backoff(base_s=1, cap_s=60), Seldom()
        while True:
            reader = _Reader(self._log, self._rules, self._floor)
            try:
                async for look in reader.follow(place):
                    backoff.reset()
                    yield look
                    place = reader.place
            except AzaionError as error:
                place = START if error.code in _LOST else place
                if seldom.due(error.code):
                    _log.warning("releases.waiting", code=error.code, error=error.message)
            await asyncio.sleep(backoff.next())


class _Reader:
    """One reading of the stream. ``place`` is behind everything that was read."""

    def __init__(self, log: EventLog, rules: Rules, floor: Callable[[], Mark]) -> None:
        self._log = log
        self._rules = rules
        self._floor = floor
        self.place = START
        self._newest_at = START
        self._hearing = Hearing(rules, NONE, anew=True)

    async def look(self, place: Place) -> Look:
        self.place = self._newest_at = await self._known(place)
        self._hearing = Hearing(self._rules, self._floor(), anew=self.place == START)
        while records := await self._log.read(models.STREAM, self.place.offset, limit=_PAGE):
            self._hear(records)
        self._hearing.end()
        return self._found()

    async def follow(self, place: Place) -> AsyncIterator[Look]:
        yield await self.look(place)
        after = bytes.fromhex(self.place.after) or None
        async for records in self._log.follow(models.STREAM, self.place.offset, after=after):
            self._hear(records)
            look = self._found()
            if look.newest is not None or look.refusals:
                yield look

    async def _known(self, place: Place) -> Place:
        """``place`` where the stream still holds what was read just before it, else its beginning."""
        if place.offset == 0:
            return START
        before = await self._log.read(models.STREAM, place.offset - 1, limit=1)
        is_there = bool(before) and before[0].offset == place.offset - 1 and _digest(before[0]) == place.after
        return place if is_there else START

    def _hear(self, records: Iterable[Record]) -> None:
        for record in records:
            release = _release(record)
            if release is not None and self._hearing.hear(release):
                self._newest_at = self.place
            self.place = Place(record.offset + 1, _digest(record))

    def _found(self) -> Look:
        newest, refusals = self._hearing.take()
        return Look(newest, refusals, self._newest_at)


def _digest(record: Record) -> str:
    return hashlib.sha256(record.body).hexdigest()


def _release(record: Record) -> ModelPublished | None:
    """None for other events, and for what cannot be read: a device has nobody to hand a dead letter to."""
    if type_of(record.body) == _TYPE:
        with suppress(UnknownEventType, PermanentError):
            event = decode(record.body).event
            if isinstance(event, ModelPublished):
                return event
    return None
