"""What the trainer remembers of pictures."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from azaion_annotations.origins import FileOrigin, origin_of
from azaion_common.contracts.events import ImageDeleted, ImageQuarantined, ImageValidated
from azaion_common.core.errors import PermanentError
from azaion_common.platform.jobs import JobQueue
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.runtime.platform import Platform
from azaion_trainer.groups import GroupingRules, find_groups
from azaion_trainer.pictures import Stock, mark_used, read_situation, read_stock
from azaion_trainer.schedule import ScheduleRules, Situation
from azaion_trainer.scheduling import Scheduler

Call = Callable[..., Any]


async def stock(ledger: Ledger) -> Stock:
    return await ledger.read(read_stock)


async def situation(ledger: Ledger, *, now: float | None = None) -> Situation:
    at = time.time() if now is None else now
    return await ledger.read(
        lambda connection: read_situation(connection, now=at, patience_s=300, busy=False)
    )


async def test_a_picture_is_ready_once_its_revision_is_augmented(
    ledger: Ledger, keep: Call, image_saved: Call, batch_augmented: Call
) -> None:
    """Variants of an older revision, or none, make it wait."""
    await keep(image_saved("a", 1, revision=2))
    assert (await stock(ledger)).waiting == ("a",)
    await keep(batch_augmented("a", revision=1))
    assert (await stock(ledger)).waiting == ("a",)
    await keep(batch_augmented("a", revision=2))

    found = await stock(ledger)

    assert [(each.picture.name, each.revision, dict(each.objects)) for each in found.ready] == [
        ("a", 2, {0: 1, 21: 1})
    ]
    assert found.waiting == ()
    assert found.stream_offsets == {"azaion.images": 1, "azaion.datasets": 2}


async def test_a_picture_stays_together_with_its_copies(
    ledger: Ledger, keep: Call, image_saved: Call, batch_augmented: Call
) -> None:
    """The original came before, from another folder; its flipped copies do not look like it, and say whose they are."""
    names = ("roof_12", "roof_12_jpg.rf.0a", "roof_12_jpg.rf.1b", "roof_13")
    origins = [FileOrigin("roof", None), *(origin_of(name) for name in names[1:])]
    for number, (name, origin) in enumerate(zip(names, origins, strict=True)):
        event = image_saved(name, number)
        told = {"media_name": origin.media_name, "media_time_s": origin.media_time_s}
        await keep(event.model_copy(update=told), batch_augmented(name))

    pictures = [each.picture for each in (await stock(ledger)).ready]
    groups = find_groups(pictures, GroupingRules(gap_s=10.0, hash_distance=0))

    assert [[pictures[index].name for index in group] for group in groups] == [list(names[:3]), ["roof_13"]]


async def test_variants_may_come_before_their_picture(
    ledger: Ledger, keep: Call, image_saved: Call, batch_augmented: Call
) -> None:
    """The two streams are read independently."""
    await keep(batch_augmented("a"), image_saved("a", 1))

    assert len((await stock(ledger)).ready) == 1


async def test_only_validated_pictures_that_are_not_deleted_count(
    ledger: Ledger, keep: Call, image_saved: Call, batch_augmented: Call
) -> None:
    """A seed picture counts from its validation on; a deleted one no more, until it is saved again."""
    await keep(image_saved("seed", 1, validated=False), batch_augmented("seed"))
    assert (await stock(ledger)).ready == ()
    await keep(ImageValidated(name="seed", revision=1))
    assert len((await stock(ledger)).ready) == 1
    await keep(ImageDeleted(name="seed"))
    assert (await stock(ledger)).ready == ()
    await keep(image_saved("seed", 1))
    assert len((await stock(ledger)).ready) == 1


async def test_events_that_are_no_data_change_nothing(ledger: Ledger, keep: Call, image_saved: Call) -> None:
    """Else the same pictures would make another dataset after each quarantined message or formed dataset."""
    await keep(image_saved("a", 1))
    before = await stock(ledger)
    await keep(ImageQuarantined(name="x", reason="r", message="m", raw_sha256="0" * 64, stream="s", offset=1))

    assert await stock(ledger) == before


async def test_a_box_of_an_unknown_class_is_refused(keep: Call, image_saved: Call) -> None:
    """It is a permanent error, so the message goes to quarantine."""
    event = image_saved("a", 1)
    wrong = event.model_copy(update={"boxes": (event.boxes[0].model_copy(update={"class_id": 79}),)})

    with pytest.raises(PermanentError, match="no class 79"):
        await keep(wrong)


async def test_the_situation_counts_what_the_last_dataset_does_not_have(
    ledger: Ledger, keep: Call, image_saved: Call, batch_augmented: Call
) -> None:
    """New, edited and not yet augmented pictures, and the silence since the newest of them."""
    then = datetime(2026, 1, 1, tzinfo=UTC)
    for name in ("used", "edited"):
        await keep(image_saved(name, 1), batch_augmented(name), at=then)
    await ledger.transact(lambda connection: mark_used(connection, [("used", 1), ("edited", 1)]))
    assert (await situation(ledger)).new == 0
    await keep(image_saved("edited", 1, revision=2), image_saved("new", 2), batch_augmented("new"), at=then)

    soon, late = then.timestamp() + 100, then.timestamp() + 1000

    assert await situation(ledger, now=soon) == Situation(new=2, waiting=1, quiet_for_s=100, busy=False)
    assert await situation(ledger, now=late) == Situation(new=2, waiting=0, quiet_for_s=1000, busy=False)


async def test_the_scheduler_asks_once_for_each_state_of_the_pictures(
    platform: Platform, ledger: Ledger, keep: Call, image_saved: Call, batch_augmented: Call
) -> None:
    """A training that came to nothing is not asked for again until a picture changes."""
    jobs: JobQueue = platform.jobs
    scheduler = Scheduler(ledger, jobs, ScheduleRules(min_new_pictures=1, quiet_s=0), augmentation_wait_s=300)
    await keep(image_saved("a", 1), batch_augmented("a"))

    assert await scheduler.look() == "1 new or changed pictures"
    job = await jobs.take("trainings", "w", lease_s=30)
    assert await scheduler.look() == "a training is queued or running"
    await jobs.complete(job, "w")
    assert await scheduler.look() == "these pictures were tried before"
    await keep(image_saved("b", 2), batch_augmented("b"))
    assert await scheduler.look() == "2 new or changed pictures"
