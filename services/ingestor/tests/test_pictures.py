"""What becomes of a picture, as pure transitions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azaion_annotations.pictures import PictureFacts
from azaion_common.contracts.events import BlobRef, Box, ImageDeleted, ImageSaved, ImageValidated
from azaion_common.core.errors import PermanentError
from azaion_ingestor.pictures import (
    Content,
    Incoming,
    Origin,
    Picture,
    State,
    changes,
    deleted,
    saved,
    validated,
)

ORIGIN = Origin(datetime(2024, 5, 6, tzinfo=UTC), "flight", 1.5, 20, 1, "who@example.org")


def content(number: int) -> Content:
    image = BlobRef(sha256=f"{number:064x}", size_bytes=9, media_type="image/jpeg")
    return Content(image, PictureFacts("image/jpeg", 64, 48, "0" * 16))


def incoming(picture: int | None = 1, boxes: int = 1, *, validated: bool = True) -> Incoming:
    box = Box(class_id=0, cx=0.5, cy=0.5, w=0.1, h=0.1)
    return Incoming("roof", None if picture is None else content(picture), (box,) * boxes, validated, ORIGIN)


FIRST = saved(None, incoming())
SEED = saved(None, incoming(validated=False))


def test_a_role_decides_where_a_new_picture_goes() -> None:
    """A validator's picture counts at once, another one is a seed."""
    assert (FIRST.state, SEED.state, FIRST.revision) == (State.VALIDATED, State.SEED, 1)
    (event,) = changes(None, SEED)
    assert isinstance(event, ImageSaved)
    assert not event.validated


def test_the_same_content_again_changes_nothing() -> None:
    """A message that is sent twice has one effect, and never takes a validation back."""
    assert saved(FIRST, incoming()) is FIRST
    assert saved(FIRST, incoming(validated=False)) is FIRST
    assert changes(FIRST, FIRST) == []


def test_the_same_content_from_a_validator_validates() -> None:
    """No new revision: only the word is new."""
    after = saved(SEED, incoming())

    assert changes(SEED, after) == [ImageValidated(name="roof", revision=1)]


@pytest.mark.parametrize("change", [incoming(picture=2), incoming(boxes=2), incoming(boxes=0)])
def test_other_content_is_an_edit(change: Incoming) -> None:
    """Another picture or other boxes are the next revision; the date stays that of the creation."""
    later = replace(change, origin=replace(ORIGIN, created_at=datetime(2025, 1, 1, tzinfo=UTC)))

    after = saved(FIRST, later)

    assert (after.revision, after.boxes) == (2, change.boxes)
    assert after.origin.created_at == ORIGIN.created_at
    assert isinstance(changes(FIRST, after)[0], ImageSaved)


def test_an_edit_without_a_picture_keeps_the_stored_one() -> None:
    """Only the boxes move on."""
    after = saved(FIRST, incoming(None, boxes=3))

    assert (after.content, len(after.boxes), after.revision) == (FIRST.content, 3, 2)


def test_an_operators_edit_needs_a_validator_again() -> None:
    """New content counts by the word of the one who made it."""
    assert saved(FIRST, incoming(boxes=2, validated=False)).state is State.SEED


def test_a_deleted_picture_comes_back_as_a_new_revision() -> None:
    """Readers that dropped it must see it again, though the content is the same."""
    gone = deleted(FIRST)
    back = saved(gone, incoming())

    assert changes(FIRST, gone) == [ImageDeleted(name="roof")]
    assert (back.state, back.revision) == (State.VALIDATED, 2)
    assert isinstance(changes(gone, back)[0], ImageSaved)
    assert deleted(gone) is gone


def test_what_is_not_there_cannot_be_changed() -> None:
    """An edit without a picture of an unknown name, and validating what was deleted, have their reasons."""
    with pytest.raises(PermanentError, match="picture_missing"):
        saved(None, incoming(None))
    with pytest.raises(PermanentError, match="picture_deleted"):
        validated(deleted(FIRST))


steps = st.lists(st.one_of(
    st.tuples(st.just("save"), st.integers(1, 2), st.integers(0, 2), st.booleans()),
    st.tuples(st.sampled_from(["validate", "delete"])),
), max_size=12)  # fmt: skip


@given(steps)
def test_readers_of_the_events_know_what_the_ledger_knows(history: list[tuple[Any, ...]]) -> None:
    """Whatever happens, following the events alone gives content, revision and state."""
    picture: Picture | None = None
    known: ImageSaved | None = None
    counts = False
    for step in history:
        before = picture
        if step[0] == "save":
            picture = saved(picture, incoming(*step[1:3], validated=step[3]))
        elif picture is not None and picture.state is not State.DELETED:
            picture = validated(picture) if step[0] == "validate" else deleted(picture)
        for event in changes(before, picture) if picture is not None else []:
            known = (
                event if isinstance(event, ImageSaved) else None if isinstance(event, ImageDeleted) else known
            )
            counts = event.validated if isinstance(event, ImageSaved) else isinstance(event, ImageValidated)
    alive = picture is not None and picture.state is not State.DELETED
    assert (known is not None) == alive
    if alive and known is not None and picture is not None:
        assert (known.revision, known.boxes, known.image) == (
            picture.revision,
            picture.boxes,
            picture.content.image,
        )
        assert counts == (picture.state is State.VALIDATED)
