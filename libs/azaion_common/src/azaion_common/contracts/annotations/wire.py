"""The annotation platform's own messages on ``azaion-annotations``, as docs/wire-format.md lays them out.

What a message *is* follows from its fields, what it *asks for* from the ``AnnotationStatus`` property alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgpack

from azaion_common.contracts.annotations.packing import (
    MAX_MESSAGE_BYTES,
    Fields,
    malformed,
    too_large,
    unpack,
)
from azaion_common.contracts.annotations.profiles import (
    DEFAULT_PROFILE,
    VALIDATORS,
    Action,
    Role,
    action_of,
    status_of,
)
from azaion_common.core.errors import PermanentError

STREAM = "azaion-annotations"
TICKS_PER_SECOND = 10_000_000
"""Media times are .NET ticks of 100 ns."""

MAX_NAME = 1000
_NUL = "\0"
"""In no text of anybody's, and databases refuse it."""
_MAX_TEXT = 500
_MAX_DETECTIONS = 4 << 20
_INT64 = 1 << 63
_NAME, _NARROW_EMAIL, _DETECTIONS, _IMAGE = 1, 2, 5, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationMessage:
    """A picture was annotated (``created``) or its annotation changed (``edited``)."""

    action: Action
    name: str
    created_at: datetime
    detections: str
    """JSON text, not yet looked at."""
    image: bytes | None = field(default=None, repr=False)
    image_extension: str = ""
    media_name: str = ""
    media_time_ticks: int | None = None
    role: int = Role.OPERATOR
    email: str = field(default="", repr=False)
    source: int = 1

    @property
    def by_validator(self) -> bool:
        return self.role in VALIDATORS


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedNarrow:
    """The short form of ``created``: it names a picture and carries nothing of it."""

    name: str
    email: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkMessage:
    """Pictures were ``validated`` or ``deleted``."""

    action: Action
    names: tuple[str, ...]
    created_at: datetime | None = None
    email: str = field(default="", repr=False)


WireMessage = AnnotationMessage | CreatedNarrow | BulkMessage


def decode_message(
    body: bytes, properties: Mapping[str, object], *, profile: str = DEFAULT_PROFILE
) -> WireMessage:
    """The message in ``body`` (msgpack, or gzip of it).

    Raises:
        PermanentError: ``unknown_status``, ``message_too_large``, ``message_malformed``.
    """
    action = action_of(properties, profile)
    fields = unpack(body)
    if isinstance(fields.get(0), list):
        return _bulk(fields, action)
    if action in {Action.VALIDATED, Action.DELETED}:
        return BulkMessage(action=action, names=(_name(fields),))
    if action is Action.CREATED and _DETECTIONS not in fields and _IMAGE not in fields:
        return CreatedNarrow(name=_name(fields), email=_text(fields, _NARROW_EMAIL))
    return _annotation(fields, action)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What can be made out of a message that was refused; nothing of it is checked."""

    name: str | None = None
    image: bytes | None = field(default=None, repr=False)
    image_extension: str = ""
    detections: str | None = None


def remains_of(body: bytes) -> Remains:
    """Name, picture and labels of a message that may be broken; never raises."""
    try:
        fields = unpack(body)
    except PermanentError:
        return Remains()
    if isinstance(fields.get(0), list):  # a bulk message: key 1 may be an e-mail address
        return Remains()
    name, extension, detections, image = (fields.get(key) for key in (_NAME, 4, _DETECTIONS, _IMAGE))
    return Remains(
        name=name[:MAX_NAME] if isinstance(name, str) and name else None,
        image=image if isinstance(image, bytes) else None,
        image_extension=extension if isinstance(extension, str) else "",
        detections=detections if isinstance(detections, str) else None,
    )


def encode_annotation(message: AnnotationMessage, *, profile: str = DEFAULT_PROFILE) -> bytes:
    """Msgpack of ``message``; its status also goes into the properties (``status_of``).

    Raises:
        PermanentError: ``message_too_large``, ``unknown_status``.
    """
    fields = {
        0: message.created_at,
        1: message.name,
        2: message.media_name,
        3: message.media_time_ticks,
        4: message.image_extension,
        5: message.detections,
        6: message.image,
        7: message.role,
        8: message.email,
        9: message.source,
        10: status_of(message.action, profile),
    }
    return _packed(fields)


def encode_bulk(message: BulkMessage, *, profile: str = DEFAULT_PROFILE) -> bytes:
    """Msgpack of ``message``; raises as ``encode_annotation``."""
    status = status_of(message.action, profile)
    return _packed({0: list(message.names), 1: status, 2: message.created_at, 3: message.email})


def _packed(fields: Fields) -> bytes:
    body: bytes = msgpack.packb(fields, datetime=True)
    if len(body) > MAX_MESSAGE_BYTES:
        raise too_large(len(body))
    return body


def _annotation(fields: Fields, action: Action) -> AnnotationMessage:
    return AnnotationMessage(
        action=action,
        created_at=_time(fields.get(0)),
        name=_name(fields),
        media_name=_text(fields, 2),
        media_time_ticks=None if fields.get(3) is None else _integer(fields, 3),
        image_extension=_text(fields, 4),
        detections=_text(fields, _DETECTIONS, _MAX_DETECTIONS),
        image=_image(fields.get(_IMAGE)),
        role=_role(fields.get(7)),
        email=_text(fields, 8),
        source=_integer(fields, 9),
    )


def _bulk(fields: Fields, action: Action) -> BulkMessage:
    """Names come first; the order of the rest differs between producers, so each is known by its type."""
    names = fields[0]
    if action not in {Action.VALIDATED, Action.DELETED}:
        raise malformed(f"a list of names with the status '{action}'")
    if not all(isinstance(name, str) and 0 < len(name) <= MAX_NAME for name in names):
        raise malformed("a list of names holds something else")
    rest = [fields[key] for key in fields if key != 0]
    times = [_time(value) for value in rest if isinstance(value, msgpack.Timestamp)]
    texts = [value for value in rest if isinstance(value, str)]
    return BulkMessage(
        action=action,
        names=tuple(dict.fromkeys(names)),
        created_at=_first(times, None),
        email=_first(texts, "")[:_MAX_TEXT],
    )


def _name(fields: Fields) -> str:
    name = _text(fields, _NAME, MAX_NAME)
    if not name:
        raise malformed("no name")
    return name


def _text(fields: Fields, key: int, limit: int = _MAX_TEXT) -> str:
    """A text field, empty when it is missing or nil."""
    value = fields.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit:
        raise malformed(f"key {key} is not a text of at most {limit} characters")
    if _NUL in value and key != _NAME:  # names are checked for more than that
        raise malformed(f"key {key} holds a NUL character")
    return value


def _integer(fields: Fields, key: int) -> int:
    value = fields.get(key)
    if type(value) is not int or not -_INT64 <= value < _INT64:
        raise malformed(f"key {key} is not an integer")
    return value


def _time(value: object) -> datetime:
    if not isinstance(value, msgpack.Timestamp):
        raise malformed("the creation date is not a timestamp")
    try:
        moment: datetime = value.to_datetime()
    except (OverflowError, ValueError, OSError) as error:
        raise malformed("the creation date is beyond the calendar") from error
    return moment


def _image(value: object) -> bytes | None:
    if value is not None and not isinstance(value, bytes):
        raise malformed("the image is not bytes")
    return value


def _role(value: object) -> int:
    """A role's number, given as one, as its text, or by name; an unknown number is kept (and validates nothing)."""
    if type(value) is int and 0 <= value < _INT64:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:9])
    for role in Role:
        if isinstance(value, str) and role.name.replace("_", "") == value.upper():
            return role
    raise malformed("the role is neither a number nor a known name")


def _first(values: Iterable[Any], default: Any) -> Any:
    return next(iter(values), default)
