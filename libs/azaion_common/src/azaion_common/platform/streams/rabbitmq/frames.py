"""The one command of the stream protocol that we need and ``rstream`` lacks: statistics of a stream.

Layout: RabbitMQ's "Stream Protocol" document, command ``StreamStats`` (0x001c).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

KEY = 0x001C
RESPONSE = 0x8000
_OK = 1
ACCESS_REFUSED = 0x10
"""What a broker answers to who may not read the stream."""


@dataclass(frozen=True, slots=True)
class StreamStats:
    """First offsets of the first and of the last committed chunk; -1 when there is none."""

    first: int
    last: int

    @property
    def is_empty(self) -> bool:
        return self.last < 0


def encode_request(correlation_id: int, stream: str) -> bytes:
    """The frame without its length."""
    name = stream.encode()
    return struct.pack(f">HHIH{len(name)}s", KEY, 1, correlation_id, len(name), name)


def is_response(frame: bytes) -> bool:
    return int.from_bytes(frame[:2], "big") == KEY | RESPONSE


def decode_response(frame: bytes) -> tuple[int, int, StreamStats | None]:
    """Correlation id, the broker's code, and the statistics unless it refused.

    Raises:
        ValueError: the frame is too short.
    """
    try:
        correlation_id, code, count = struct.unpack_from(">IHI", frame, 4)
        at, found = 14, {}
        for _ in range(count):
            (length,) = struct.unpack_from(">H", frame, at)
            name = frame[at + 2 : at + 2 + length].decode()
            (found[name],) = struct.unpack_from(">q", frame, at + 2 + length)
            at += 10 + length
    except struct.error as error:
        raise ValueError(f"not a StreamStats response: {error}") from error
    if code != _OK:
        return correlation_id, code, None
    stats = StreamStats(found.get("first_chunk_id", -1), found.get("committed_chunk_id", -1))
    return correlation_id, code, stats
