"""The one codec: envelope to msgpack and back, within limits.

``decode`` tells three cases apart: a known event, a type this reader does not know (a newer producer: pass it
over), and bytes that are malformed (quarantine them). Edge devices run old versions for months.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgpack
from pydantic import TypeAdapter, ValidationError

from azaion_common.contracts.events import Event
from azaion_common.contracts.events.envelope import Envelope
from azaion_common.core.errors import PermanentError

VERSION = 1
MAX_BYTES = 256 * 1024
MAX_ITEMS = 4096
_HEAD = 16
"""Keys of an envelope that are looked through for its type."""

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class UnknownEventType(Exception):  # noqa: N818 - not an error: the reader passes the event over
    """The envelope is sound, but its event type is none that this reader knows."""

    def __init__(self, type_name: str) -> None:
        super().__init__(type_name)
        self.type_name = type_name


def _known_types() -> frozenset[str]:
    schema = _EVENT.json_schema()
    return frozenset(
        definition["properties"]["type"]["const"]
        for definition in schema["$defs"].values()
        if "const" in definition.get("properties", {}).get("type", {})
    )


KNOWN_TYPES = _known_types()


def encode(envelope: Envelope) -> bytes:
    """Msgpack of ``envelope``.

    Raises:
        PermanentError: ``event_too_large`` beyond 256 KiB; bytes belong in the blob store.
    """
    body: bytes = msgpack.packb(
        {
            "v": VERSION,
            "id": envelope.id.bytes,
            "source": envelope.source,
            "type": envelope.type,
            "subject": envelope.subject,
            "time": envelope.time.isoformat(),
            "producer": envelope.producer,
            "epoch": envelope.epoch,
            "seq": envelope.seq,
            "causation": envelope.causation.bytes if envelope.causation else None,
            "traceparent": envelope.traceparent,
            "data": _plain(envelope.event.model_dump(mode="python", exclude={"type"})),
        }
    )
    if len(body) > MAX_BYTES:
        raise PermanentError(
            "event_too_large", f"{envelope.type} has {len(body)} bytes, the limit is {MAX_BYTES}"
        )
    return body


def renumbered(body: bytes, *, epoch: int, seq: int, identity: UUID) -> bytes:
    """The event in ``body`` under another identity; everything else stays as it is."""
    fields = _unpack(body)
    repacked: bytes = msgpack.packb({**fields, "epoch": epoch, "seq": seq, "id": identity.bytes})
    return repacked


def decode(body: bytes) -> Envelope:
    """The envelope in ``body``.

    Raises:
        UnknownEventType: sound, but of a type that this version does not know.
        PermanentError: ``event_too_large`` or ``event_malformed``.
    """
    fields = _unpack(body)
    try:
        if fields["v"] != VERSION:
            raise UnknownEventType(f"{fields['type']} (envelope {fields['v']})")
        if fields["type"] not in KNOWN_TYPES:
            raise UnknownEventType(fields["type"])
        return Envelope(
            id=UUID(bytes=fields["id"]),
            source=_text(fields["source"]),
            subject=_text(fields["subject"]),
            time=datetime.fromisoformat(fields["time"]),
            producer=_text(fields["producer"]),
            epoch=_count(fields["epoch"]),
            seq=_count(fields["seq"]),
            causation=UUID(bytes=fields["causation"]) if fields["causation"] else None,
            traceparent=fields["traceparent"],
            event=_EVENT.validate_python({**fields["data"], "type": fields["type"]}),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
        raise PermanentError("event_malformed", f"not a valid event: {_first_line(error)}") from error


def type_of(body: bytes) -> str | None:
    """The event type in ``body`` without decoding the rest of it; None where it cannot be told.

    For those who look for a few events among many: a whole event takes ten to a hundred times as long to decode.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=MAX_BYTES)
    try:
        unpacker.feed(body)
        for _ in range(min(unpacker.read_map_header(), _HEAD)):
            if unpacker.unpack() == "type":
                found = unpacker.unpack()
                return found if isinstance(found, str) else None
            unpacker.skip()
    except (ValueError, msgpack.exceptions.UnpackException, msgpack.exceptions.BufferFull):
        return None
    return None


def _unpack(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BYTES:
        raise PermanentError("event_too_large", f"event of {len(body)} bytes, the limit is {MAX_BYTES}")
    try:
        fields = msgpack.unpackb(
            body, raw=False, strict_map_key=True, max_array_len=MAX_ITEMS, max_map_len=256
        )
    except (ValueError, msgpack.exceptions.UnpackException, msgpack.exceptions.StackError) as error:
        raise PermanentError("event_malformed", f"not msgpack within limits: {_first_line(error)}") from error
    if not isinstance(fields, dict):
        raise PermanentError("event_malformed", "not a msgpack map")
    return fields


def _plain(value: Any) -> Any:
    """Only what msgpack knows: times become ISO text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError("expected a count")
    return value


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
