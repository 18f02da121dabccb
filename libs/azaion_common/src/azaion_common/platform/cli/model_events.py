"""What commands read from the stream of models: the newest event of a kind, and the answer to a job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from azaion_common.contracts.events import Event
from azaion_common.contracts.events.codec import type_of
from azaion_common.contracts.events.models import STREAM
from azaion_common.core.errors import PermanentError
from azaion_common.platform.cli.backlog import START
from azaion_common.platform.cli.patience import Patience
from azaion_common.platform.ledger.decoding import decode_event
from azaion_common.platform.streams import EventLog, Record

LATEST = "latest"
LOOK_S = 2.0
"""How often it is looked whether the service that is waited for still runs."""
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


async def answer(
    log: EventLog,
    offset: int,
    answers: Callable[[Event], bool],
    *,
    service: str,
    works: Callable[[], Awaitable[bool]],
    patience: Patience,
) -> Event:
    """The first event from ``offset`` on that ``answers``; waits for it, and says for whom.

    Args:
        log: where it will stand.
        offset: of the stream of models.
        answers: whether an event is the one.
        service: which one is to do it.
        works: whether that one runs.
        patience: where to say what is waited for.
    """
    reading = asyncio.ensure_future(_first(log, offset, answers))
    try:
        while not reading.done():
            if await works():
                patience.say(f"the {service} is at work", about="working")
            else:
                patience.say(f"no {service} runs here: {START}", about="nobody")
            await asyncio.wait({reading}, timeout=LOOK_S)
        return reading.result()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _first(log: EventLog, offset: int, answers: Callable[[Event], bool]) -> Event:
    async for batch in log.follow(STREAM, offset):
        for event in contents(batch):
            if answers(event):
                return event
    raise PermanentError("log_ended", "the event log ended")
