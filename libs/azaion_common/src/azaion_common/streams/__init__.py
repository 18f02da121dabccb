"""``EventLog``: durable, replayable streams that any number of readers follow.

Embedded it is a SQLite file, in production RabbitMQ Streams; nothing above this Protocol can tell which.
"""

from __future__ import annotations

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
            TransientError: the log cannot be used now (``disk_full`` and others); all may have been stored, or nothing.
        """

    def follow(self, stream: str, offset: int = 0, *, max_batch: int = 100) -> AsyncIterator[list[Record]]:
        """Batches of records from ``offset`` on, for ever: at the end it waits until more is appended."""

    async def read(self, stream: str, offset: int = 0, *, limit: int = 100) -> list[Record]:
        """Up to ``limit`` records from ``offset`` on; empty at the end. Does not wait."""

    async def end(self, stream: str) -> int:
        """The offset that the next record will be at or after; 0 for an empty stream."""

    async def count(self, stream: str, before: int | None = None) -> int:
        """How many records there are (with an offset lower than ``before``)."""

    async def last_seq(self, stream: str, producer: str) -> int | None:
        """The highest ``seq`` stored of ``producer``; None when there is none."""

    async def streams(self) -> list[str]:
        """Names of all streams, sorted."""
