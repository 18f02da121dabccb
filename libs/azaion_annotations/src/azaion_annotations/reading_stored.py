"""Reads what the store holds from the streams of a home or a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from azaion_annotations.stored import StoredPictures
from azaion_common.contracts.annotations import wire
from azaion_common.contracts.annotations.profiles import DEFAULT_PROFILE
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import images
from azaion_common.core.errors import AzaionError, PermanentError
from azaion_common.platform.ledger.accounting import cursors, outbox_depth
from azaion_common.platform.ledger.decoding import decode_event
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import ledger_names, look_into_ledger
from azaion_common.platform.streams import EventLog, Record
from azaion_common.platform.streams.partitions import Partitioning

INGESTOR = "ingestor"
_EVENTS, _MESSAGES = 1000, 64
_MARGIN = 1000
"""Messages that are read once more where events about them may still be on their way; folding them again is harmless."""


async def read_stored(
    log: EventLog,
    catalogue: Catalogue,
    *,
    partitioning: Partitioning | None = None,
    applied: Mapping[str, int] | None = None,
    profile: str = DEFAULT_PROFILE,
    only_applied: bool = False,
) -> StoredPictures:
    """What the streams say. ``applied`` is the offset in each annotation stream from which on messages wait;
    ``only_applied`` counts those and leaves out what they say.

    Raises:
        TransientError: from the log.
    """
    parts, stored, ends = partitioning or Partitioning(), StoredPictures(catalogue), dict[str, int]()
    for stream in parts.streams(images.STREAM):
        offset = 0
        while records := await log.read(stream, offset, limit=_EVENTS):
            offset = records[-1].offset + 1
            await asyncio.to_thread(_apply, stored, records)
    for stream in parts.streams(wire.STREAM):
        if only_applied:
            stored.pending += max(0, await log.end(stream) - (applied or {}).get(stream, 0))
            continue
        ends[stream] = offset = (applied or {}).get(stream, 0)
        while records := await log.read(stream, offset, limit=_MESSAGES):
            ends[stream] = offset = records[-1].offset + 1
            await asyncio.to_thread(_expect, stored, records, profile)
    stored.ends = ends
    return stored


async def applied_offsets(home: Path, settings: PlatformSettings) -> Mapping[str, int]:
    """How far the ingestor has read each annotation stream, as far as its ledgers can be read.

    What is missing counts as nothing read: so it is where the ingestor never ran, is just making its ledger, or keeps it
    where this machine cannot look. Reading all messages is slower, and comes to the same.
    """
    offsets: dict[str, int] = {}
    with suppress(AzaionError):
        for name in await asyncio.to_thread(ledger_names, home, settings):
            if name.partition(".")[0] == INGESTOR:
                async with look_into_ledger(home, settings, name) as ledger:
                    offsets |= await ledger.read(_positions)
    return offsets


def _positions(connection: Connection) -> Mapping[str, int]:
    owed = outbox_depth(connection)
    margin = owed + _MARGIN if owed else 0
    return {cursor.stream: max(0, cursor.next_offset - margin) for cursor in cursors(connection)}


def _apply(stored: StoredPictures, records: Sequence[Record]) -> None:
    for record in records:
        with suppress(PermanentError):  # what cannot be read is in the services' quarantine
            if delivery := decode_event(record):
                stored.apply(delivery.content)


def _expect(stored: StoredPictures, records: Sequence[Record], profile: str) -> None:
    for message in _messages(records, profile):
        stored.expect(message)


def _messages(records: Sequence[Record], profile: str) -> Iterator[wire.WireMessage]:
    for record in records:
        with suppress(PermanentError):  # the ingestor will quarantine it
            yield wire.decode_message(record.body, record.properties, profile=profile)
