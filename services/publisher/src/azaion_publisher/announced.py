"""What the stream says was released: numbers go on above it, whatever became of the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field

from azaion_common.contracts.events import ModelPublished
from azaion_common.contracts.events.codec import type_of
from azaion_common.contracts.events.models import STREAM
from azaion_common.core.errors import PermanentError
from azaion_common.packages import TrustedKeys, verified
from azaion_common.platform.ledger.decoding import decode_event
from azaion_common.platform.streams import EventLog, Record

_PAGE = 500
_TYPE = "model.published.v1"


@dataclass
class Announced:
    """Reads the stream of models; each look reads only what is new. ``keys`` are those that may sign releases."""

    log: EventLog
    keys: TrustedKeys
    _offset: int = 0
    _releases: int = 0
    _highest: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def highest(self) -> int:
        """The highest number that was announced, 0 before the first."""
        await self._read_on()
        return max(self._highest.values(), default=0)

    async def highest_for(self, target: str) -> int:
        """As ``highest``, of the releases for one target."""
        await self._read_on()
        return self._highest[target]

    async def first(self, package_ids: Collection[str]) -> dict[str, ModelPublished]:
        """The first announcement of each package: an id is random, so nobody can have told of it before its maker."""
        found: dict[str, ModelPublished] = {}
        offset = 0
        while len(found) < len(package_ids) and (records := await self.log.read(STREAM, offset, limit=_PAGE)):
            for release in filter(None, map(_release, records)):
                if release.package_id in package_ids:
                    found.setdefault(release.package_id, release)
            offset = records[-1].offset + 1
        return found

    async def _read_on(self) -> None:
        while records := await self.log.read(STREAM, self._offset, limit=_PAGE):
            for release in filter(None, map(_release, records)):
                self._count(release)
            self._offset = records[-1].offset + 1

    def _count(self, release: ModelPublished) -> None:
        """A number that nobody vouches for counts only as far as so many releases can have been made."""
        self._releases += 1
        try:
            stated = verified(release, self.keys)
            target, number = stated.target, stated.release
        except PermanentError:
            target, number = release.target, min(release.release, self._releases)
        self._highest[target] = max(self._highest[target], number)


def _release(record: Record) -> ModelPublished | None:
    if type_of(record.body) != _TYPE:
        return None
    with suppress(PermanentError):
        delivery = decode_event(record)
        if delivery is not None and isinstance(delivery.content, ModelPublished):
            return delivery.content
    return None
