"""Corrections of what is stored, as annotation messages: other labels, a validator's word, deletion.

The same messages that an annotation platform sends, so that history, roles and replay hold for them too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from azaion_annotations.formats.files import stem
from azaion_annotations.formats.source import LABEL_DECIMALS, SourceBox
from azaion_annotations.formats.yolo import parse_labels
from azaion_annotations.labels import detections_json, parse_detections
from azaion_annotations.stored import StoredPictures
from azaion_common.contracts.annotations.names import name_for_stem
from azaion_common.contracts.annotations.profiles import STATUS_PROPERTY, Action, Role, status_of
from azaion_common.contracts.annotations.wire import (
    STREAM,
    AnnotationMessage,
    BulkMessage,
    encode_annotation,
    encode_bulk,
)
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import Box
from azaion_common.core.errors import PermanentError
from azaion_common.platform.streams import EventLog, Message
from azaion_common.platform.streams.partitions import Partitioning

CORRECTION_PROPERTY = "AnnotationCorrection"
"""Makes each correction one of its own: saying the same again later is meant again."""
_NAMES_AT_ONCE = 1000
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Corrections:
    """Messages by part of the annotation stream, and how many pictures they change."""

    messages: Mapping[str, Sequence[Message]]
    changed: tuple[str, ...]
    unchanged: int

    async def send(self, log: EventLog) -> None:
        """Append them; raises TransientError from the log."""
        for stream, messages in self.messages.items():
            await log.append(stream, messages)


@dataclass(frozen=True, slots=True)
class Corrector:
    """Lays out corrections of what is ``stored``."""

    stored: StoredPictures
    partitioning: Partitioning
    profile: str

    def decide(self, names: Sequence[str], action: Action) -> Corrections:
        """Validate or delete pictures; those that are so already need no message.

        Raises:
            PermanentError: ``unknown_picture``, ``picture_deleted``.
        """
        self._require(names, deleted_too=action is Action.DELETED)
        done = {name for name in names if self._is_so(name, action)}
        wanted = [name for name in dict.fromkeys(names) if name not in done]
        messages: dict[str, list[Message]] = {}
        for stream, part in self._parts(wanted).items():
            for first in range(0, len(part), _NAMES_AT_ONCE):
                bulk = BulkMessage(
                    action=action,
                    names=tuple(part[first : first + _NAMES_AT_ONCE]),
                    created_at=datetime.now(UTC),
                )
                body = encode_bulk(bulk, profile=self.profile)
                messages.setdefault(stream, []).append(self._message(body, action))
        return Corrections(messages, tuple(wanted), len(done))

    def relabel(self, labels: Mapping[str, str], role: Role) -> Corrections:
        """Other boxes for pictures: the text of a label file as the home's folders show it, by picture.

        Raises:
            PermanentError: ``unknown_picture``, ``picture_deleted``, ``labels_malformed``, ``boxes_doubled`` and as
                ``parse_detections``, before anything is sent.
        """
        self._require(list(labels), deleted_too=False)
        texts = {name: self._detections(name, text) for name, text in labels.items()}
        changed = {
            name: detections
            for name, (detections, boxes) in texts.items()
            if boxes != self._as_shown(self.stored.pictures[name].boxes)
        }
        # Profiles without a number for "edited" say "created" for both.
        action = Action.CREATED if self.profile == "2025" else Action.EDITED
        messages: dict[str, list[Message]] = {}
        for name, detections in changed.items():
            message = AnnotationMessage(
                action=action, name=name, created_at=datetime.now(UTC), detections=detections, role=role
            )
            body = encode_annotation(message, profile=self.profile)
            stream = self.partitioning.stream_for(STREAM, name)
            messages.setdefault(stream, []).append(self._message(body, action))
        return Corrections(messages, tuple(changed), len(texts) - len(changed))

    def _detections(self, name: str, text: str) -> tuple[str, tuple[Box, ...]]:
        catalogue = self.stored.catalogue
        try:
            boxes = parse_labels(text, dict(enumerate(catalogue.slot_names())))
            _refuse_doubles(boxes)
            detections = detections_json(_row(box, catalogue) for box in boxes)
            return detections, self._as_shown(parse_detections(detections, catalogue))
        except PermanentError as error:
            raise PermanentError(error.code, f"{name}: {error.message}", hint=error.hint) from error
        except ValueError as error:
            raise PermanentError(
                "labels_malformed", f"{name}: {error}", hint="a line is: class-number cx cy width height"
            ) from error

    @staticmethod
    def _as_shown(boxes: Iterable[Box]) -> tuple[Box, ...]:
        """With the six decimals of a label file, so that a copy of one changes nothing."""
        return tuple(
            box.model_copy(
                update={key: round(getattr(box, key), LABEL_DECIMALS) for key in ("cx", "cy", "w", "h")}
            )
            for box in boxes
        )

    def _require(self, names: Sequence[str], *, deleted_too: bool) -> None:
        unknown = [name for name in names if name not in self.stored.pictures]
        if unknown:
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            shown = ", ".join(unknown[:_SHOWN])
            raise PermanentError(
                "unknown_picture",
                f"no picture is called {shown}{more}: nothing was changed",
                hint=self._what_is_called(unknown),
            )
        deleted = [name for name in names if self.stored.pictures[name].deleted]
        if deleted and not deleted_too:
            raise PermanentError(
                "picture_deleted",
                f"{deleted[0]} was deleted: nothing was changed",
                hint="azaion annotations import --restore brings it back",
            )

    def _what_is_called(self, unknown: Iterable[str]) -> str:
        """What to name instead of files."""
        rule = "a picture's name is that of its file in data/images, without folder and suffix"
        meant = [name for name in map(name_for_stem, map(stem, unknown)) if name in self.stored.pictures]
        more = f" and {len(meant) - _SHOWN} more" if len(meant) > _SHOWN else ""
        return f"there is {', '.join(meant[:_SHOWN])}{more}: {rule}" if meant else rule

    def _is_so(self, name: str, action: Action) -> bool:
        known = self.stored.pictures[name]
        return known.deleted if action is Action.DELETED else known.validated

    def _parts(self, names: Iterable[str]) -> Mapping[str, list[str]]:
        parts: dict[str, list[str]] = {}
        for name in names:
            parts.setdefault(self.partitioning.stream_for(STREAM, name), []).append(name)
        return parts

    def _message(self, body: bytes, action: Action) -> Message:
        status = status_of(action, self.profile)
        return Message(body, {STATUS_PROPERTY: status, CORRECTION_PROPERTY: uuid4().hex})


def _refuse_doubles(boxes: Sequence[SourceBox]) -> None:
    said = [box.in_a_label_file for box in boxes]
    for number, box in enumerate(said, 1):
        if (first := said.index(box) + 1) != number:
            raise PermanentError(
                "boxes_doubled", f"box {number} says the same as box {first}", hint="take one of them out"
            )


def _row(box: SourceBox, catalogue: Catalogue) -> tuple[int, str, tuple[float, float, float, float]]:
    found = catalogue.find(box.class_name)
    if found is None:
        raise PermanentError("unknown_class", f"catalogue '{catalogue.name}' has no {box.class_name}")
    class_id, condition = found
    return catalogue.slot(class_id, condition or catalogue.plain_condition), box.class_name, box.xywh
