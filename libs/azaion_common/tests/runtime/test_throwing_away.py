"""What ``gc`` removes, and above all what it never removes."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from azaion_common.contracts.events import (
    BatchAugmented,
    BlobRef,
    Event,
    ImageSaved,
    Lineage,
    Metrics,
    ModelPublished,
    ModelRejected,
    ModelTrained,
    PackagePart,
    Variant,
    datasets,
    images,
    models,
)
from azaion_common.contracts.events.codec import encode
from azaion_common.contracts.events.envelope import wrap
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.ledger import tables
from azaion_common.platform.ledger.handler import Outgoing
from azaion_common.platform.runtime.platform import Platform, open_platform
from azaion_common.platform.runtime.throwing_away import (
    BLOBS,
    LEFT_OVER,
    Rules,
    nothing_is_thrown_away,
    throw_away,
)
from azaion_common.platform.runtime.transports import blobs_path
from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.streams import Message

METADATA = sa.MetaData()
LOAVES = sa.Table("loaves", METADATA, sa.Column("facts", sa.JSON), sa.Column("raw", sa.LargeBinary))
LONG_AGO_S = 400 * 24 * 3600.0


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    async with open_platform(tmp_path / "home") as opened:
        yield opened


def path_of(platform: Platform, blob: BlobRef) -> Path:
    return FileBlobStore(blobs_path(platform.home)).path(blob.sha256)


def age(path: Path) -> None:
    then = time.time() - LONG_AGO_S
    os.utime(path, (then, then))


async def old_blob(platform: Platform, content: str) -> BlobRef:
    """A blob that was stored long ago."""
    blob = await platform.blobs.put(content.encode(), "text/plain")
    age(path_of(platform, blob))
    return blob


def saved(image: BlobRef) -> ImageSaved:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return ImageSaved(
        name="road", revision=1, image=image, width=9, height=9, boxes=(), validated=True, dhash="0" * 16,
        created_at=at,
    )  # fmt: skip


def augmented(image: BlobRef, labels: BlobRef) -> BatchAugmented:
    variant = Variant(name="road_1", image=image, labels=labels, boxes=0)
    return BatchAugmented(
        name="road", revision=1, source_sha256="0" * 64, recipe_sha256="0" * 64, seed=0, variants=(variant,)
    )


async def tell(platform: Platform, stream: str, event: Event) -> None:
    envelope = wrap(event=event, subject="road", producer="p", epoch=1, seq=1, stream=stream)
    await platform.log.append(stream, [Message(encode(envelope))])


async def read_up_to(platform: Platform, service: str, stream: str, offset: int) -> None:
    """``service`` has taken in what lies before ``offset``."""
    row = {"stream": stream, "next_offset": offset, "applied": offset, "passed_over": 0, "quarantined": 0}
    async with platform.open_ledger(service, METADATA) as ledger:
        await ledger.transact(lambda connection: connection.execute(tables.CURSORS.insert(), [row]))


async def test_what_anything_names_stays_and_the_rest_goes(platform: Platform) -> None:
    """A row of any table, an unsent event, an open job, an event not read yet: each keeps a blob, however old."""
    in_json, in_bytes, in_outbox, in_job, unread, unnamed = [
        await old_blob(platform, name) for name in ("json", "bytes", "outbox", "job", "unread", "unnamed")
    ]
    async with platform.open_ledger("bakery", METADATA) as ledger:
        await ledger.transact(
            lambda connection: connection.execute(
                LOAVES.insert().values(
                    facts={"x": [{"sha256": in_json.sha256}]}, raw=in_bytes.sha256.encode()
                )
            )
        )
        await ledger.transact(lambda c: ledger.emit(c, [Outgoing(images.STREAM, saved(in_outbox), "road")]))
    await platform.jobs.put("ovens", "job-1", f'{{"a": "{in_job.sha256}"}}')
    await tell(platform, datasets.STREAM, augmented(unread, unread))

    expected = throw_away(platform.home, Rules(), dry_run=True)
    assert path_of(platform, unnamed).exists()
    found = throw_away(platform.home, Rules())

    assert (found.files, found.kept_blobs) == ({BLOBS: 1}, 5)
    assert (expected.files, expected.freed_bytes) == (found.files, len(b"unnamed"))
    assert not path_of(platform, unnamed).exists()
    for blob in (in_json, in_bytes, in_outbox, in_job, unread):
        assert path_of(platform, blob).exists()


async def test_variants_go_when_all_have_read_of_newer_ones(platform: Platform) -> None:
    """Read by every service and named by no ledger any more, a variant goes; a picture stays: replays read it."""
    picture, image, labels = [await old_blob(platform, name) for name in ("picture", "image", "labels")]
    await tell(platform, images.STREAM, saved(picture))
    await tell(platform, datasets.STREAM, augmented(image, labels))
    for service, offset in (("trainer", 1), ("bakery", 0)):
        await read_up_to(platform, service, images.STREAM, 1)
        async with platform.open_ledger(service, METADATA) as ledger:
            row = {"stream": datasets.STREAM, "next_offset": offset}
            await ledger.transact(lambda c, row=row: c.execute(tables.CURSORS.insert(), [row]))  # type: ignore[misc]
    assert throw_away(platform.home, Rules()).freed_bytes == 0, "one service has not read it"

    async with platform.open_ledger("bakery", METADATA) as ledger:
        stream = tables.CURSORS.c.stream == datasets.STREAM
        await ledger.transact(
            lambda c: c.execute(tables.CURSORS.update().where(stream).values(next_offset=1))
        )
    found = throw_away(platform.home, Rules())

    assert found.files == {BLOBS: 2}
    assert path_of(platform, picture).exists()


def candidate(checkpoint: BlobRef) -> dict[str, Any]:
    """What trained and rejected models have in common."""
    metrics = Metrics(map50=0.8, map50_95=0.5, per_class={}, per_condition={}, pictures=3, evaluator="x")
    lineage = Lineage(
        dataset_id="2" * 64, job_sha256="3" * 64, stream_offsets={}, base_weights_sha256=None, parent_model_id=None,
        toolchain={},
    )  # fmt: skip
    return {
        "model_id": "a" * 16, "checkpoint": checkpoint, "architecture": "yolo11n", "imgsz": 320,
        "class_names": ("car",), "class_colours": ("#ff0000",), "metrics": metrics, "lineage": lineage,
        "train_seconds": 1.0,
    }  # fmt: skip


async def test_checkpoints_of_rejected_models_go_after_their_time(platform: Platform) -> None:
    """That of a model which did not beat its champion goes after a month, that of a champion never."""
    champion, loser = await old_blob(platform, "champion"), await old_blob(platform, "loser")
    await tell(platform, models.STREAM, ModelTrained(**candidate(champion), probe_images=()))
    rejected = ModelRejected(
        **candidate(loser), champion_id="b" * 16, reason="r", difference=-0.1, confidence_interval=(-0.2, 0.0)
    )
    await tell(platform, models.STREAM, rejected)
    await read_up_to(platform, "exporter", models.STREAM, 2)

    assert throw_away(platform.home, Rules()).freed_bytes == 0
    throw_away(platform.home, Rules(), now=datetime.now(UTC) + timedelta(days=31))

    assert [path_of(platform, blob).exists() for blob in (champion, loser)] == [True, False]


async def test_a_released_half_stays_until_the_store_of_releases_has_it(platform: Platform) -> None:
    """Version 0.1 kept what devices fetch among the blobs; once it is where they fetch it now, one copy is enough."""
    half = await old_blob(platform, "half")
    release: dict[str, Any] = {
        "model_id": "a" * 16, "target": "onnx", "release": 1, "imgsz": 320, "batch": 1, "class_names": ("car",),
        "class_colours": ("#ff0000",), "package_id": "c" * 32, "package_sha256": "4" * 64, "package_size_bytes": 9,
        "plaintext_sha256": "5" * 64, "header_sha256": "6" * 64, "wrapped_key": b"k",
        "small": PackagePart(sha256="7" * 64, size_bytes=1, location="small"),
        "big": PackagePart(sha256=half.sha256, size_bytes=4, location=half.sha256),
    }  # fmt: skip
    await tell(platform, models.STREAM, ModelPublished(**release))
    await read_up_to(platform, "publisher", models.STREAM, 1)
    assert throw_away(platform.home, Rules()).freed_bytes == 0

    async with platform.open_releases() as releases:
        await releases.put(b"half", "text/plain")

    assert throw_away(platform.home, Rules()).freed_bytes == 4


async def test_what_was_just_stored_stays(platform: Platform) -> None:
    """A blob whose row is not committed yet is named by nothing: its youth keeps it."""
    blob = await platform.blobs.put(b"just stored", "text/plain")

    assert throw_away(platform.home, Rules(), dry_run=True).freed_bytes == 0
    assert throw_away(platform.home, Rules()).freed_bytes == 0

    age(path_of(platform, blob))
    assert throw_away(platform.home, Rules(), now=datetime.now(UTC) - timedelta(days=500)).freed_bytes == 0
    assert throw_away(platform.home, Rules()).freed_bytes == len(b"just stored")


async def test_what_is_stored_again_in_the_last_moment_stays(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored again between the look at it and its removal, a blob stays for the row that is about to name it."""
    blob = await old_blob(platform, "again")
    remove = FileBlobStore.remove_older

    def put_and_remove(self: FileBlobStore, sha256: str, before_s: float) -> bool:
        assert self._keep(sha256)  # what a put of the same bytes does
        return remove(self, sha256, before_s)

    monkeypatch.setattr(FileBlobStore, "remove_older", put_and_remove)

    assert throw_away(platform.home, Rules()).freed_bytes == 0
    assert await platform.blobs.get(blob.sha256) == b"again"


async def test_what_people_see_stays(platform: Platform) -> None:
    """A blob that a folder shows is kept: removing its name would free nothing."""
    blob = await old_blob(platform, "shown")
    (platform.home / "data").mkdir()
    await platform.blobs.fetch(blob.sha256, platform.home / "data" / "shown.jpg")

    assert throw_away(platform.home, Rules()).freed_bytes == 0

    (platform.home / "data" / "shown.jpg").unlink()
    assert throw_away(platform.home, Rules()).freed_bytes == len(b"shown")


async def test_bodies_of_refused_messages_go_after_their_time(platform: Platform) -> None:
    """A letter keeps its body for as long as the rule says; one that was applied since needs it no longer."""
    fresh, old, applied = [await old_blob(platform, name) for name in ("fresh", "old", "applied")]
    now = datetime.now(UTC)
    rows = [
        {
            "stream": "s",
            "offset": number,
            "reason": "r",
            "message": "m",
            "raw_sha256": blob.sha256,
            "at": at,
            "state": state,
        }
        for number, (blob, at, state) in enumerate(
            [(fresh, now, "open"), (old, now - timedelta(days=91), "open"), (applied, now, "applied")]
        )
    ]
    async with platform.open_ledger("bakery", METADATA) as ledger:
        await ledger.transact(lambda connection: connection.execute(tables.QUARANTINE.insert(), rows))

    throw_away(platform.home, Rules())

    assert [path_of(platform, blob).exists() for blob in (fresh, old, applied)] == [True, False, False]


async def test_what_killed_writers_left_goes(platform: Platform) -> None:
    """Half-written files of views and datasets go once they are old; files of people stay."""
    left = platform.home / "data" / "images" / ".road.jpg.0123.tmp"
    building = platform.home / "datasets" / ".0123.building"
    (building / "images").mkdir(parents=True)
    (building / "images" / "a.jpg").write_bytes(b"half")
    left.parent.mkdir(parents=True)
    for path in (left, left.with_name("road.jpg"), platform.home / "notes.tmp"):
        path.write_bytes(b"file")
        age(path)
    assert throw_away(platform.home, Rules()).files == {LEFT_OVER: 1}
    age(building)

    assert throw_away(platform.home, Rules()).files == {LEFT_OVER: 1}

    assert (left.with_name("road.jpg").exists(), (platform.home / "notes.tmp").exists()) == (True, True)
    assert not left.exists()
    assert not building.exists()


async def test_nothing_is_removed_where_a_ledger_cannot_be_read(platform: Platform) -> None:
    """What a rotten database named is unknown: gc names its file, and removes nothing."""
    unnamed = path_of(platform, await platform.blobs.put(b"nobody names it", "text/plain"))
    age(unnamed)
    ledger = platform.home / "ledgers" / "trainer.sqlite"
    ledger.parent.mkdir(exist_ok=True)
    ledger.write_bytes(b"no database" * 999)

    with pytest.raises(PermanentError, match=str(ledger)) as refused:
        throw_away(platform.home, Rules())

    assert (refused.value.code, unnamed.exists()) == ("database_corrupt", True)


async def test_nothing_is_removed_during_a_backup_or_on_servers(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a backup is taken, and where the home does not hold all that names blobs, gc says so and does nothing."""
    await old_blob(platform, "unnamed")
    with nothing_is_thrown_away(platform.home), pytest.raises(TransientError, match="home_busy"):
        throw_away(platform.home, Rules())
    monkeypatch.setenv("AZAION_PLATFORM__LEDGER_URL", "postgresql+psycopg://u:p@h/d")
    with pytest.raises(PermanentError, match="waste_on_servers"):
        throw_away(platform.home, Rules())
    monkeypatch.delenv("AZAION_PLATFORM__LEDGER_URL")
    assert throw_away(platform.home, Rules()).files == {BLOBS: 1}
