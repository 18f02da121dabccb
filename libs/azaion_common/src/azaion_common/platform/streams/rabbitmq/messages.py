"""Our messages as AMQP 1.0 and back, and the records of a chunk.

AMQP 1.0 so that other tools can read them: the body is one data section, properties are application properties.
Bodies that are no AMQP (another producer's) come back as they are, without properties.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rstream import AMQPMessage, amqp_decoder
from rstream.schema import Deliver

from azaion_common.platform.streams import Message, PropertyValue, Record

MAX_ENTRY_BYTES = 64 << 20
"""Of a packed entry, unpacked. A larger one is a bomb: its messages come back as they are, to be refused."""
_PACKED, _GZIP_WINDOW = 0x80, 31
_NOT_PACKED, _GZIP = 0, 1


def encode(message: Message) -> bytes:
    return bytes(AMQPMessage(body=message.body, application_properties=dict(message.properties) or None))


def decode(body: bytes) -> tuple[bytes, Mapping[str, PropertyValue]]:
    """Body and properties."""
    try:
        found = amqp_decoder(body)
        return _body_of(found), _properties_of(found)
    except Exception:  # noqa: BLE001 - the decoder raises whatever its parts raise; these bytes are no AMQP
        return body, {}


def records(frame: Deliver, stream: str, offset: int) -> list[Record]:
    """What a chunk holds from ``offset`` on. Every message of a packed entry has an offset of its own."""
    at = datetime.fromtimestamp(frame.timestamp / 1000, UTC)
    found = []
    for number, entry in enumerate(_entries(frame.data, frame.num_entries), frame.chunk_first_offset):
        if number >= offset:
            body, properties = decode(entry)
            found.append(Record(stream, number, body, properties, at))
    return found


def _entries(data: bytes, count: int) -> Iterator[bytes]:
    """Entries of a chunk (RabbitMQ's stream protocol, ``Deliver``): one message each, or many packed into one."""
    at = 0
    for _ in range(count):
        if not data[at] & _PACKED:
            size = int.from_bytes(data[at : at + 4], "big")
            yield data[at + 4 : at + 4 + size]
            at += 4 + size
        else:
            size = int.from_bytes(data[at + 7 : at + 11], "big")
            yield from _unpacked(data[at : at + 11], data[at + 11 : at + 11 + size])
            at += 11 + size


def _unpacked(header: bytes, packed: bytes) -> list[bytes]:
    """The messages of a packed entry; as many stand-ins with the packed bytes when they cannot be unpacked."""
    compression = (header[0] & 0x70) >> 4
    count, size = int.from_bytes(header[1:3], "big"), int.from_bytes(header[3:7], "big")
    plain = packed if compression == _NOT_PACKED else _gunzip(packed, size) if compression == _GZIP else b""
    found, at = [], 0
    while at + 4 <= len(plain):
        end = at + 4 + int.from_bytes(plain[at : at + 4], "big")
        found.append(plain[at + 4 : end])
        at = end
    return found if len(found) == count and at == len(plain) else [packed, *[b""] * (count - 1)]


def _gunzip(packed: bytes, size: int) -> bytes:
    """At most ``size`` bytes, which the producer says it has; nothing when that is not so."""
    if size > MAX_ENTRY_BYTES:
        return b""
    try:
        return zlib.decompressobj(_GZIP_WINDOW).decompress(packed, size)
    except zlib.error:
        return b""


def _body_of(message: Any) -> bytes:
    body = message.body if message.body is not None else message.value
    if body is None:
        return b""
    if isinstance(body, list):
        return b"".join(body)
    return body.encode() if isinstance(body, str) else bytes(body)


def _properties_of(message: Any) -> dict[str, PropertyValue]:
    return {_text(name): _value(value) for name, value in (message.application_properties or {}).items()}


def _value(value: Any) -> PropertyValue:
    return value if isinstance(value, int) and not isinstance(value, bool) else _text(value)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
