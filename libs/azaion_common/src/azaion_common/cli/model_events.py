"""What commands read from the stream of models: the newest event of a kind, and the answer to a job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from azaion_common.errors import PermanentError
from azaion_common.events import Event
from azaion_common.events.codec import type_of
from azaion_common.events.models import STREAM
from azaion_common.ledger.decoding import decode_event
from azaion_common.streams import EventLog, Record

LATEST = "latest"
_PAGE = 1000

Found = TypeVar("Found", bound=Event)


def is_meant(model_id: str, wanted: str) -> bool:
    """Does ``wanted`` (the beginning of an id, or ``latest``) mean this model?"""
    return wanted == LATEST or (wanted != "" and model_id.startswith(wanted))


def contents(records: Iterable[Record]) -> Iterator[Event]:
    """What can be read of ``records``: the rest is in the services' quarantine and no business of a command."""
    for record in records:
        with suppress(PermanentError):
            if delivery := decode_event(record):
                yield delivery.content


async def newest(log: EventLog, kind: type[Found], fits: Callable[[Found], bool]) -> Found | None:
    """The last event of ``kind`` that ``fits``."""
    found, offset, wanted = None, 0, kind.model_fields["type"].default
    while batch := await log.read(STREAM, offset, limit=_PAGE):
        offset = batch[-1].offset + 1
        for event in contents(record for record in batch if type_of(record.body) == wanted):
            if isinstance(event, kind) and fits(event):
                found = event
    return found


async def answer(log: EventLog, offset: int, answers: Callable[[Event], bool]) -> Event:
    """The first event from ``offset`` on that ``answers``; waits for it."""
    async for batch in log.follow(STREAM, offset):
        for event in contents(batch):
            if answers(event):
                return event
    raise PermanentError("log_ended", "the event log ended")
