"""How far readers have applied each producer's messages, told on a small stream of its own.

A broker's confirm does not survive a power cut, so producers keep what they sent until its readers have it. What is
told here may itself be lost: it only rises, is told again and again, and a missing word keeps rows longer, never less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Protocol

import msgpack

from azaion_common.platform.streams import Message, Record
from azaion_common.platform.streams.rabbitmq.topology import CONTROL_STREAM

_PAGE = 1000


class _Log(Protocol):
    async def append(self, stream: str, messages: list[Message]) -> None: ...

    async def read(self, stream: str, offset: int, *, limit: int) -> list[Record]: ...

    async def end(self, stream: str) -> int: ...


class Acknowledgements:
    """Remembers what it read, so that each look reads only what is new."""

    def __init__(self, log: _Log) -> None:
        self._log = log
        self._offset = 0
        self._known: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)

    async def tell(self, stream: str, reader: str, positions: Mapping[str, int]) -> None:
        """``reader`` has applied every message of ``stream`` up to these numbers, by producer."""
        await self._log.append(CONTROL_STREAM, [Message(msgpack.packb([stream, reader, dict(positions)]))])

    async def of(self, stream: str, producer: str) -> Mapping[str, int]:
        """The highest number that each reader told of."""
        if self._offset > await self._log.end(CONTROL_STREAM):
            self._offset = (
                0  # the broker lost some of it; numbers only rise, so reading all again does no harm
            )
        while records := await self._log.read(CONTROL_STREAM, self._offset, limit=_PAGE):
            for record in records:
                self._note(record)
            self._offset = records[-1].offset + 1
        return dict(self._known[stream, producer])

    def _note(self, record: Record) -> None:
        stream, reader, positions = msgpack.unpackb(record.body)
        for producer, seq in positions.items():
            known = self._known[stream, producer]
            known[reader] = max(seq, known.get(reader, 0))
