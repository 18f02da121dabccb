"""What becomes of a picture when an annotation arrives: its next state, and the events that tell of the change.

Pure: from the picture as it is known and what comes in, to the picture as it is from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from azaion_annotations.pictures import PictureFacts
from azaion_common.contracts.events import BlobRef, Box, ImageDeleted, ImageSaved, ImageValidated
from azaion_common.contracts.events.images import ImagesEvent
from azaion_common.core.errors import PermanentError


class State(StrEnum):
    """Where a picture stands; the value is the name of the folder in which people see it."""

    VALIDATED = "data"
    SEED = "data-seed"
    DELETED = "data_deleted"


@dataclass(frozen=True, slots=True)
class Content:
    """A picture's bytes, by reference, and what they show."""

    image: BlobRef
    facts: PictureFacts


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an annotation comes from. The e-mail address never leaves the ledger."""

    created_at: datetime
    media_name: str
    media_time_s: float | None
    role: int
    source: int
    email: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """A checked annotation. ``content`` is None when the message brought no picture along."""

    name: str
    content: Content | None
    boxes: tuple[Box, ...]
    validated: bool
    origin: Origin


@dataclass(frozen=True, slots=True)
class Picture:
    """An annotated picture as the ledger knows it. ``revision`` rises with each change of picture or boxes."""

    name: str
    state: State
    revision: int
    content: Content
    boxes: tuple[Box, ...]
    origin: Origin


def saved(current: Picture | None, incoming: Incoming) -> Picture:
    """The picture after ``incoming``; the same object when that says nothing new.

    Raises:
        PermanentError: ``picture_missing`` when there is no picture, neither with the message nor from before.
    """
    if current is None:
        return _first(incoming)
    content = incoming.content or current.content
    same = content.image.sha256 == current.content.image.sha256 and incoming.boxes == current.boxes
    if same and current.state is not State.DELETED:
        return validated(current) if incoming.validated else current
    return replace(
        current,
        state=_state(incoming),
        revision=current.revision + 1,
        content=content,
        boxes=incoming.boxes,
        origin=replace(incoming.origin, created_at=current.origin.created_at),
    )


def validated(current: Picture) -> Picture:
    """The picture with a validator's word for it.

    Raises:
        PermanentError: ``picture_deleted``.
    """
    if current.state is State.DELETED:
        raise PermanentError("picture_deleted", f"{current.name} was deleted before")
    return current if current.state is State.VALIDATED else replace(current, state=State.VALIDATED)


def deleted(current: Picture) -> Picture:
    return current if current.state is State.DELETED else replace(current, state=State.DELETED)


def changes(before: Picture | None, after: Picture) -> list[ImagesEvent]:
    """The events that tell how ``before`` became ``after``."""
    if after is before:
        return []
    if before is None or after.revision > before.revision:
        return [_saved_event(after)]
    if after.state is State.DELETED:
        return [ImageDeleted(name=after.name)]
    return [ImageValidated(name=after.name, revision=after.revision)]


def _first(incoming: Incoming) -> Picture:
    if incoming.content is None:
        raise PermanentError("picture_missing", f"{incoming.name}: no picture came along and none is known")
    return Picture(incoming.name, _state(incoming), 1, incoming.content, incoming.boxes, incoming.origin)


def _state(incoming: Incoming) -> State:
    return State.VALIDATED if incoming.validated else State.SEED


def _saved_event(picture: Picture) -> ImageSaved:
    return ImageSaved(
        name=picture.name,
        revision=picture.revision,
        image=picture.content.image,
        width=picture.content.facts.width,
        height=picture.content.facts.height,
        boxes=picture.boxes,
        validated=picture.state is State.VALIDATED,
        media_name=picture.origin.media_name,
        media_time_s=picture.origin.media_time_s,
        dhash=picture.content.facts.dhash,
        created_at=picture.origin.created_at,
    )
