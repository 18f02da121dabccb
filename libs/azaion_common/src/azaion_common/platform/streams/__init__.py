"""``EventLog``: durable, replayable streams that any number of readers follow.

Embedded it is a SQLite file, in production RabbitMQ Streams; nothing above this Protocol can tell which.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

PropertyValue = str | int


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes to append. ``seq`` is the producer's own count; the log drops what it has seen from that producer."""

    body: bytes
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A message in the log. Offsets rise but may have gaps; they say where to read on, never what was read."""

    stream: str
    offset: int
    body: bytes
    properties: Mapping[str, PropertyValue]
    appended_at: datetime


class EventLog(Protocol):
    """Append-only streams. Names are created by the first use."""

    async def append(self, stream: str, messages: Sequence[Message], *, producer: str | None = None) -> None:
        """Store ``messages`` in order; durable when this returns.

        With ``producer``, messages whose ``seq`` is not higher than the last one of that producer are dropped, so
        that sending again after doubt is harmless.

        Raises:
            TransientError: the log cannot be used now (``disk_full`` and others): any number of the messages, from
                the first on, may have been stored. ``log_regressed``: it lost messages that it had stored before
                (send again what ``last_seq`` lacks).
            PermanentError: ``sequence_disordered``: with ``producer``, sequence numbers have to rise from 1.
        """

    def follow(
        self, stream: str, offset: int = 0, *, max_batch: int = 100, after: bytes | None = None
    ) -> AsyncIterator[list[Record]]:
        """Batches of records from ``offset`` on, for ever: at the end it waits until more is appended.

        Outages are waited out. ``offset`` 0 is the first record that there is. ``after`` is the SHA-256 of the body
        just before ``offset``, where the reader has it: offsets alone do not tell one log from another.

        Raises:
            TransientError: ``log_regressed``: the log ends before ``offset``, or holds something else before it.
                What was read may have been lost and its offsets given to others: read again from 0.
            PermanentError: ``log_truncated``: retention has removed ``offset``; going on would skip records.
        """

    async def read(self, stream: str, offset: int = 0, *, limit: int = 100) -> list[Record]:
        """Up to ``limit`` records from ``offset`` on; empty at the end. Does not wait."""

    async def end(self, stream: str) -> int:
        """The offset that the next record will be at or after; 0 for an empty stream."""

    async def first(self, stream: str) -> int:
        """The offset of the first record that retention has left; 0 for an empty stream."""

    async def count(self, stream: str, before: int | None = None) -> int:
        """How many records there are (with an offset lower than ``before``)."""

    async def last_seq(self, stream: str, producer: str) -> int | None:
        """The highest ``seq`` stored of ``producer``; None when there is none."""

    def turns(self, stream: str, *, group: str) -> AsyncIterator[asyncio.Event]:
        """The turns of this process at ``stream``, of which one member of ``group`` has one at a time.

        An item begins a turn. Its event is set when the turn is to end; asking for the next item gives it back. Losing
        the connection ends it, too, and somebody else may begin before it is given back: turns share work out, they
        are no lock.
        """

    async def acknowledge(self, stream: str, reader: str, positions: Mapping[str, int]) -> None:
        """Tell that ``reader`` has applied, durably, every message up to these numbers, by producer.

        Raises:
            TransientError: it may have been told or not.
        """

    async def acknowledged(self, stream: str, producer: str) -> Mapping[str, int]:
        """The highest number of ``producer`` that each reader has told of."""
