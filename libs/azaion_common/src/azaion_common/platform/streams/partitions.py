"""Partitioned streams: ``azaion.images`` in four parts is ``azaion.images-0`` to ``azaion.images-3``.

A key always goes to the same part, by the hash that RabbitMQ's clients for Java and .NET use, so other programs
can write there too. (``rstream`` hashes in another way.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import mmh3

_SEED = 104729
"""Of their hash strategy (MurmurHash3, 32 bits)."""


@dataclass(frozen=True, slots=True)
class Partitioning:
    """How many parts each partitioned stream has; the others are whole."""

    counts: Mapping[str, int] = field(default_factory=dict)

    def streams(self, stream: str) -> list[str]:
        """The streams that ``stream`` consists of: itself, or its parts."""
        count = self.counts.get(stream)
        return [stream] if count is None else [f"{stream}-{index}" for index in range(count)]

    def stream_for(self, stream: str, key: str) -> str:
        """The stream that what is about ``key`` goes to."""
        parts = self.streams(stream)
        return parts[0] if len(parts) == 1 else parts[mmh3.hash(key, _SEED, signed=False) % len(parts)]

    def whole(self, part: str) -> str | None:
        """The partitioned stream that ``part`` is a part of."""
        stream, _, index = part.rpartition("-")
        return stream if index.isdigit() and stream in self.counts else None
