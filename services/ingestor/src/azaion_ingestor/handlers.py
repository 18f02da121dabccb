"""Annotation messages in, picture events out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection

from azaion_annotations.labels import parse_detections
from azaion_annotations.pictures import PictureFacts
from azaion_common.contracts.annotations.names import check_name, is_safe_name
from azaion_common.contracts.annotations.profiles import Action
from azaion_common.contracts.annotations.wire import (
    TICKS_PER_SECOND,
    AnnotationMessage,
    BulkMessage,
    CreatedNarrow,
    WireMessage,
    decode_message,
)
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import (
    BlobRef,
    Box,
    ImageQuarantined,
    MessageDeadLettered,
    dead_letters,
    images,
)
from azaion_common.core.errors import AzaionError, PermanentError
from azaion_common.core.in_groups import InGroups
from azaion_common.platform.database.after_commit import after_commit
from azaion_common.platform.ledger.handler import Delivery, Outgoing, Ready
from azaion_common.platform.storage import BlobStore
from azaion_common.platform.streams import Record
from azaion_ingestor import metrics, pictures, records
from azaion_ingestor.album import Album
from azaion_ingestor.inspector import Inspector
from azaion_ingestor.pictures import Content, Incoming, Origin, Picture
from azaion_ingestor.refusals import CORRUPTED, salvage

SERVICE_NAME = "ingestor"
CHECKED_TOGETHER = 8
"""Messages that go to a thread together: one by one, the way there and back takes as long as a small picture."""
_NAMES_SHOWN = 5
_RAW = "application/octet-stream"

Prepared = Incoming | BlobRef | None
"""What ``prepare`` makes: an annotation checked and stored, a bulk message's own bytes, or nothing."""

Checked = tuple[tuple[Box, ...], PictureFacts | None]
"""Boxes and picture of a message, where it brought one along that is not costly."""


def decode_annotation(record: Record, profile: str) -> Delivery[WireMessage]:
    """The delivery of a record of the annotation stream; raises as ``decode_message``."""
    message = decode_message(record.body, record.properties, profile=profile)
    return Delivery(record, message, unique=_creates(message))


def without_picture(message: WireMessage) -> WireMessage:
    """What is still asked for once the picture is stored; pictures are large."""
    return replace(message, image=None) if isinstance(message, AnnotationMessage) else message


def _creates(message: WireMessage) -> bool:
    """A picture is created once, so the same message again is a writer's repetition. Edits and decisions may recur: a
    person changes a box and changes it back.
    """
    return isinstance(message, AnnotationMessage) and message.action is Action.CREATED


@dataclass(frozen=True, slots=True)
class _Refusal:
    name: str
    error: PermanentError


class Ingestor:
    """Keeps one row per picture in step with the annotation platform. Implements ``Handler``."""

    def __init__(
        self,
        blobs: BlobStore,
        catalogue: Catalogue,
        *,
        inspector: Inspector,
        changed: Callable[[], None],
        is_ours: Callable[[str], bool] = lambda _name: True,
        check_threads: int = 1,
    ) -> None:
        self._blobs = blobs
        self._catalogue = catalogue
        self._inspector = inspector
        self._changed = changed
        self._checks = InGroups(self._check_all, at_once=check_threads, most=CHECKED_TOGETHER)
        self._costly_checks = InGroups(self._inspect_costly, most=1)
        self._is_ours = is_ours
        """Of a picture's name: a message about many pictures goes to every part of a partitioned stream."""

    async def prepare(self, delivery: Delivery[WireMessage]) -> Prepared:
        """Check names, labels and picture and store the picture; raises their reasons for quarantine."""
        match delivery.content:
            case AnnotationMessage() as message:
                return await self._prepare(message)
            case BulkMessage():
                return await self._blobs.put(delivery.record.body, _RAW)
            case CreatedNarrow():
                return None

    def apply(
        self, connection: Connection, batch: Sequence[Ready[WireMessage, Prepared]]
    ) -> Sequence[Iterable[Outgoing]]:
        """Bring the rows in line with the messages."""
        self._changed()
        album = Album(connection, (name for each in batch for name in self._names(each.delivery.content)))
        effects = [self._apply(connection, album, each) for each in batch]
        album.save()
        after_commit(connection, partial(metrics.count, [each for several in effects for each in several]))
        return effects

    def _apply(
        self, connection: Connection, album: Album, each: Ready[WireMessage, Prepared]
    ) -> Sequence[Outgoing]:
        record = each.delivery.record
        if each.delivery.again:
            hidden = records.forgive(connection, record.stream, record.offset)
            records.mark_due(connection, [(CORRUPTED, name) for name in hidden])
        match each.delivery.content, each.prepared:
            case AnnotationMessage(), Incoming() as incoming:
                current = album.get(incoming.name)
                return _move(album, current, pictures.saved(current, incoming))
            case BulkMessage() as message, BlobRef() as raw:
                effects, refused = _apply_bulk(album, message.action, self._ours(message))
                after_commit(connection, partial(metrics.count_refused, refused))
                return [*effects, *_dead_letters(refused, record, raw)]
            case CreatedNarrow(name=name), _:
                _known(album, name)
                return []
            case other:
                raise AssertionError(f"prepared as something else: {other!r:.100}")

    def _names(self, message: WireMessage) -> Iterable[str]:
        names = self._ours(message) if isinstance(message, BulkMessage) else [message.name]
        return filter(is_safe_name, names)

    def _ours(self, message: BulkMessage) -> Sequence[str]:
        return [name for name in message.names if self._is_ours(name)]

    def quarantined(
        self, connection: Connection, record: Record, error: AzaionError, raw_sha256: str
    ) -> Iterable[Outgoing]:
        """Tell of the refusal, and have what there is to see of it shown in ``data-corrupted/``."""
        found = salvage(record)
        records.refuse(connection, record.stream, record.offset, found.view_name, raw_sha256)
        if found.view_name is not None:
            records.mark_due(connection, [(CORRUPTED, found.view_name)])
        self._changed()
        told = [_quarantined(found.name, error, record, raw_sha256)]
        after_commit(connection, partial(metrics.count, told))
        return told

    async def _prepare(self, message: AnnotationMessage) -> Incoming:
        check_name(message.name)
        checked = await self._checks.put(message)
        if isinstance(checked, Exception):
            raise checked
        boxes, facts = checked
        content = await self._store(message.image or b"", facts) if _brings_picture(message) else None
        return Incoming(message.name, content, boxes, message.by_validator, _origin(message))

    async def _store(self, data: bytes, facts: PictureFacts | None) -> Content:
        if facts is None:  # others wait neither for it nor for its thread
            facts = await self._costly_checks.put(data)
        image = await self._blobs.put(data, facts.media_type)
        self._inspector.remember(image.sha256, facts)
        return Content(image, facts)

    def _check_all(self, messages: Sequence[AnnotationMessage]) -> Sequence[Checked | Exception]:
        """In a thread. What is wrong with one message is no business of the others in its group."""
        return [self._check_or_error(message) for message in messages]

    def _check_or_error(self, message: AnnotationMessage) -> Checked | Exception:
        try:
            return self._check(message)
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            return error

    def _inspect_costly(self, pictures: Sequence[bytes]) -> Sequence[PictureFacts]:
        return [self._inspector.inspect_costly(data) for data in pictures]

    def _check(self, message: AnnotationMessage) -> Checked:
        facts = self._look_at(message)
        return parse_detections(message.detections, self._catalogue), facts

    def _look_at(self, message: AnnotationMessage) -> PictureFacts | None:
        if not _brings_picture(message):
            return None
        inspect = (
            self._inspector.inspect_again if message.action is Action.EDITED else self._inspector.inspect
        )
        return inspect(message.image or b"")


def _brings_picture(message: AnnotationMessage) -> bool:
    """An edit keeps the picture that is there; some producers say so with an empty image."""
    return bool(message.image) if message.action is Action.EDITED else message.image is not None


def _origin(message: AnnotationMessage) -> Origin:
    ticks = message.media_time_ticks
    return Origin(
        created_at=message.created_at,
        media_name=message.media_name,
        media_time_s=None if ticks is None else ticks / TICKS_PER_SECOND,
        role=message.role,
        source=message.source,
        email=message.email,
    )


def _move(album: Album, before: Picture | None, after: Picture) -> list[Outgoing]:
    if after is before:
        return []
    album.put(after)
    return [Outgoing(images.STREAM, event, after.name) for event in pictures.changes(before, after)]


def _apply_bulk(
    album: Album, action: Action, names: Sequence[str]
) -> tuple[list[Outgoing], dict[str, list[_Refusal]]]:
    """What follows for every name that is known, and the others by their reason.

    Raises:
        PermanentError: when no name could be applied: then the message as a whole goes to quarantine.
    """
    step = pictures.validated if action is Action.VALIDATED else pictures.deleted
    effects: list[Outgoing] = []
    refused: dict[str, list[_Refusal]] = {}
    for name in names:
        try:
            current = _known(album, name)
            effects += _move(album, current, step(current))
        except PermanentError as error:
            refused.setdefault(error.code, []).append(_Refusal(name, error))
    if refused and sum(map(len, refused.values())) == len(names):
        code, several = next(iter(refused.items()))
        raise PermanentError(code, _told(several))
    return effects, refused


def _known(album: Album, name: str) -> Picture:
    current = album.get(name)
    if current is None:
        raise PermanentError("unknown_picture", f"no picture is called {name[:80]!r}")
    return current


def _dead_letters(refused: Mapping[str, Sequence[_Refusal]], record: Record, raw: BlobRef) -> list[Outgoing]:
    """One for each reason, however many names there are: a message of a few bytes a name may name thousands."""
    return [each for several in refused.values() for each in _dead_letter(several, record, raw)]


def _dead_letter(several: Sequence[_Refusal], record: Record, raw: BlobRef) -> list[Outgoing]:
    error = PermanentError(several[0].error.code, _told(several))
    letter = MessageDeadLettered(
        service=SERVICE_NAME,
        stream=record.stream,
        offset=record.offset,
        reason=error.code,
        message=error.message,
        raw=raw,
    )
    name = several[0].name if len(several) == 1 else None
    return [
        Outgoing(dead_letters.STREAM, letter, f"{record.stream}/{record.offset}"),
        _quarantined(name, error, record, raw.sha256),
    ]


def _told(several: Sequence[_Refusal]) -> str:
    if len(several) == 1:
        return several[0].error.message
    shown = ", ".join(repr(each.name[:80]) for each in several[:_NAMES_SHOWN])
    rest = f" and {len(several) - _NAMES_SHOWN} more" if len(several) > _NAMES_SHOWN else ""
    return f"{len(several)} names, {shown}{rest}: {several[0].error.message}"


def _quarantined(name: str | None, error: AzaionError, record: Record, raw_sha256: str) -> Outgoing:
    event = ImageQuarantined(
        name=name,
        reason=error.code,
        message=error.message[:1000],
        raw_sha256=raw_sha256,
        stream=record.stream,
        offset=record.offset,
    )
    subject = name if name and is_safe_name(name) else f"{record.stream}/{record.offset}"
    return Outgoing(images.STREAM, event, subject)
