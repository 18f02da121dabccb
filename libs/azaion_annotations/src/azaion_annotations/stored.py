"""What the store holds now, folded from the streams: pictures with their labels, and what was refused.

``azaion.images`` says what was applied; annotation messages that the ingestor has not read yet are folded on top, as
it will do.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from azaion_annotations.labels import parse_detections
from azaion_common.contracts.annotations.names import is_safe_name
from azaion_common.contracts.annotations.profiles import Action
from azaion_common.contracts.annotations.wire import AnnotationMessage, BulkMessage, WireMessage
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import (
    BlobRef,
    Box,
    Event,
    ImageDeleted,
    ImageQuarantined,
    ImageSaved,
    ImageValidated,
)
from azaion_common.core.errors import PermanentError


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """One picture as it stands. ``image`` and sizes are missing while its message waits for the ingestor."""

    name: str
    sha256: str
    boxes: tuple[Box, ...]
    validated: bool
    deleted: bool = False
    image: BlobRef | None = None
    width: int = 0
    height: int = 0
    media_name: str = ""
    media_time_s: float | None = None
    created_at: datetime | None = None


@dataclass(slots=True)
class StoredPictures:
    """Every picture that is known, the deleted ones too."""

    catalogue: Catalogue
    pictures: dict[str, StoredPicture] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Reason of the newest refusal of each name that had one."""
    pending: int = 0
    """Annotation messages that the ingestor has not applied yet; they are counted in."""
    ends: Mapping[str, int] = field(default_factory=dict)
    """Where the annotation streams ended when this was read."""

    def apply(self, event: Event) -> None:
        """Take in an event of ``azaion.images``."""
        match event:
            case ImageSaved():
                self._put(_saved(event))
            case ImageValidated(name=name) if name in self.pictures:
                self._put(replace(self.pictures[name], validated=True))
            case ImageDeleted(name=name) if name in self.pictures:
                self._put(replace(self.pictures[name], deleted=True))
            case ImageQuarantined(name=str(name)):
                self.refused[name] = event.reason
            case _:
                pass

    def expect(self, message: WireMessage) -> None:
        """Take in an annotation message that waits for the ingestor."""
        self.pending += 1
        match message:
            case BulkMessage():
                for name in message.names:
                    self._decide(name, message.action)
            case AnnotationMessage():
                self._expect_annotation(message)
            case _:
                pass

    def by_content(self) -> Mapping[str, list[str]]:
        """Names of the pictures with the same bytes, by their SHA-256."""
        names: dict[str, list[str]] = defaultdict(list)
        for picture in self.pictures.values():
            names[picture.sha256].append(picture.name)
        return names

    def current(self) -> Iterable[StoredPicture]:
        """Pictures that are not deleted, by name."""
        return (self.pictures[name] for name in sorted(self.pictures) if not self.pictures[name].deleted)

    def _put(self, picture: StoredPicture) -> None:
        self.pictures[picture.name] = picture
        self.refused.pop(picture.name, None)

    def _decide(self, name: str, action: Action) -> None:
        known = self.pictures.get(name)
        if known is None:
            return
        if action is Action.DELETED:
            self._put(replace(known, deleted=True))
        elif not known.deleted:
            self._put(replace(known, validated=True))

    def _expect_annotation(self, message: AnnotationMessage) -> None:
        known = self.pictures.get(message.name)
        try:
            boxes = parse_detections(message.detections, self.catalogue)
        except PermanentError as error:
            self.refused[message.name] = error.code
            return
        sha256 = hashlib.sha256(message.image).hexdigest() if message.image else known.sha256 if known else ""
        if not is_safe_name(message.name) or not sha256:
            self.refused[message.name] = "unsafe_name" if sha256 else "picture_missing"
            return
        same = known is not None and not known.deleted and (known.sha256, known.boxes) == (sha256, boxes)
        validated = message.by_validator or (same and known is not None and known.validated)
        self._put(StoredPicture(message.name, sha256, boxes, validated))


def _saved(event: ImageSaved) -> StoredPicture:
    return StoredPicture(
        name=event.name,
        sha256=event.image.sha256,
        boxes=event.boxes,
        validated=event.validated,
        image=event.image,
        width=event.width,
        height=event.height,
        media_name=event.media_name,
        media_time_s=event.media_time_s,
        created_at=event.created_at,
    )
