"""The service on the embedded platform; pictures are multiplied in this process, except in one test."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeVar

import pytest

from azaion_augmentor import copies, tables
from azaion_augmentor.app import SERVICE, serve
from azaion_augmentor.batches import Batches
from azaion_augmentor.recipe import Recipe
from azaion_augmentor.tasks import Made, Task
from azaion_common.contracts.events import BatchAugmented, Box, Event, ImageDeleted, ImageSaved, images
from azaion_common.contracts.events.codec import encode
from azaion_common.contracts.events.envelope import wrap
from azaion_common.platform.ledger.decoding import decode_event
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.transports import ledger_path
from azaion_common.platform.streams import Message
from azaion_common.testing import platform

pytestmark = pytest.mark.slow

Found = TypeVar("Found")
Saved = Callable[..., ImageSaved]


class Inline:
    """Multiplies in this process, and counts."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    async def multiply(self, task: Task) -> tuple[Made, ...]:
        self.tasks.append(task)
        return copies.multiply(task)


class Bench:
    """A platform on which events are written, and what comes of them is awaited."""

    def __init__(self, opened: Platform) -> None:
        self.platform = opened
        self.inline = Inline()

    @asynccontextmanager
    async def running(self, recipe: Recipe) -> AsyncIterator[None]:
        """The service at work; stopped in order at the end."""
        self.platform.stopping.clear()
        async with self.platform.open_ledger("augmentor", tables.METADATA) as ledger:
            batches = Batches(
                blobs=self.platform.blobs,
                multiplier=self.inline,
                catalogue=self.platform.catalogue,
                recipe=recipe,
                seed=0,
            )
            task = asyncio.create_task(
                serve(self.platform, images.STREAM, ledger, batches, prepare_concurrency=2)
            )
            try:
                yield
            finally:
                self.platform.stopping.set()
                await task

    async def write(self, *events: Event) -> None:
        seq = await self.platform.log.last_seq(images.STREAM, "ingestor") or 0
        for number, event in enumerate(events, seq + 1):
            envelope = wrap(
                event=event, subject="x", producer="ingestor", epoch=1, seq=number, stream=images.STREAM
            )
            message = Message(encode(envelope), seq=number)
            await self.platform.log.append(images.STREAM, [message], producer="ingestor")

    async def batches(self, count: int) -> list[BatchAugmented]:
        """The first ``count`` batches, waiting for them."""
        records = await self._until(
            lambda: self.platform.log.read("azaion.datasets"), lambda all_: len(all_) >= count
        )
        found = [delivery.content for record in records if (delivery := decode_event(record))]
        return [event for event in found if isinstance(event, BatchAugmented)]

    async def dead_letters(self, count: int) -> list[str]:
        """Reasons of the first ``count`` dead letters, waiting for them."""
        records = await self._until(
            lambda: self.platform.log.read("azaion.dead-letters"), lambda all_: len(all_) >= count
        )
        return [delivery.content.reason for record in records if (delivery := decode_event(record))]  # type: ignore[union-attr]

    async def view(self, *expected: str) -> None:
        """Wait until data-processed/ holds exactly these names."""

        async def files() -> tuple[set[str], set[str]]:
            root = self.platform.home / "data-processed"
            return tuple({path.stem for path in (root / part).glob("[!.]*")} for part in ("images", "labels"))  # type: ignore[return-value]

        await self._until(files, lambda both: both == (set(expected), set(expected)))

    async def _until(self, look: Callable[[], Any], enough: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(30):
            while not enough(found := await look()):
                await asyncio.sleep(0.02)
        return found


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with platform(tmp_path) as opened:
        yield Bench(opened)


def _names(stem: str) -> list[str]:
    return [stem, *(f"{stem}+{index}" for index in range(1, 8))]


async def test_a_saved_picture_becomes_a_batch_and_a_view(
    bench: Bench, recipe: Recipe, saved: Saved, jpeg: bytes
) -> None:
    """The original and seven variants are stored, announced, and linked where people look."""
    blobs = bench.platform.blobs
    event = saved(
        await blobs.put(jpeg, "image/jpeg"),
        boxes=(Box(class_id=1, condition="Wint", cx=0.5, cy=0.5, w=0.2, h=0.1),),
    )
    async with bench.running(recipe):
        await bench.write(event)
        (batch,) = await bench.batches(1)
        await bench.view(*_names("road"))

    assert [variant.name for variant in batch.variants] == _names("road")
    assert (batch.revision, batch.recipe_sha256) == (1, recipe.digest)
    assert batch.variants[0].image == event.image
    assert await blobs.get(batch.variants[0].labels.sha256) == b"21 0.500000 0.500000 0.200000 0.100000\n"
    folder = bench.platform.home / "data-processed"
    assert (folder / "images" / "road+7.jpg").read_bytes() == await blobs.get(batch.variants[7].image.sha256)


async def test_an_edited_label_is_augmented_again(
    bench: Bench, recipe: Recipe, saved: Saved, jpeg: bytes
) -> None:
    """A new revision replaces the batch; the unchanged pictures are stored once."""
    image = await bench.platform.blobs.put(jpeg, "image/jpeg")
    async with bench.running(recipe):
        await bench.write(saved(image), saved(image, revision=2, boxes=()))
        first, second = await bench.batches(2)
        await bench.view(*_names("road"))

    assert [variant.boxes for variant in second.variants] == [0] * 8
    assert [variant.image for variant in second.variants] == [variant.image for variant in first.variants]
    assert (bench.platform.home / "data-processed/labels/road+3.txt").read_text() == ""


async def test_an_older_revision_that_comes_late_is_ignored(
    bench: Bench, recipe: Recipe, saved: Saved, jpeg: bytes
) -> None:
    """Labels never go back to what they were."""
    image = await bench.platform.blobs.put(jpeg, "image/jpeg")
    async with bench.running(recipe):
        await bench.write(saved(image, revision=3), saved(image, revision=2), saved(image, name="last"))
        batches = await bench.batches(2)

    assert [(batch.name, batch.revision) for batch in batches] == [("road", 3), ("last", 1)]


async def test_a_deleted_picture_leaves_the_view(
    bench: Bench, recipe: Recipe, saved: Saved, jpeg: bytes
) -> None:
    """Original and variants of a deleted picture vanish; others stay; saving it anew brings it back."""
    image = await bench.platform.blobs.put(jpeg, "image/jpeg")
    async with bench.running(recipe):
        await bench.write(saved(image), saved(image, name="other"))
        await bench.view(*_names("road"), *_names("other"))
        await bench.write(ImageDeleted(name="road"), ImageDeleted(name="unknown"))
        await bench.view(*_names("other"))
        await bench.write(saved(image))
        await bench.view(*_names("road"), *_names("other"))


async def test_pictures_that_cannot_be_used_are_quarantined(
    bench: Bench, recipe: Recipe, saved: Saved, jpeg: bytes
) -> None:
    """Corrupt bytes, a lost blob and an unknown class each get their reason; the rest goes on."""
    blobs = bench.platform.blobs
    image = await blobs.put(jpeg, "image/jpeg")
    corrupt = await blobs.put(b"no picture", "image/jpeg")
    lost = image.model_copy(update={"sha256": "0" * 64})
    unknown = (Box(class_id=79, cx=0.5, cy=0.5, w=0.1, h=0.1),)
    async with bench.running(recipe):
        await bench.write(
            saved(corrupt, name="corrupt"),
            saved(lost, name="lost"),
            saved(image, name="unknown", boxes=unknown),
            saved(image),
        )
        reasons = await bench.dead_letters(3)
        batches = await bench.batches(1)
        await bench.view(*_names("road"))

    assert reasons == ["picture_undecodable", "blob_missing", "unknown_class"]
    assert [batch.name for batch in batches] == ["road"]


async def test_no_variant_takes_the_name_of_a_picture(
    bench: Bench, recipe: Recipe, saved: Saved, jpeg: bytes
) -> None:
    """``road_1`` is a picture of somebody's beside the first variant of ``road``, whichever came first."""
    image = await bench.platform.blobs.put(jpeg, "image/jpeg")
    async with bench.running(recipe):
        await bench.write(saved(image), saved(image, name="road_1"))
        await bench.batches(2)

        await bench.view(*_names("road"), *_names("road_1"))


async def test_variants_of_an_earlier_version_make_room(
    bench: Bench, recipe: Recipe, saved: Saved, jpeg: bytes
) -> None:
    """A home whose variants are called ``road_1`` shows them under their new names, and takes a picture of that name."""
    image = await bench.platform.blobs.put(jpeg, "image/jpeg")
    async with bench.running(recipe):
        await bench.write(saved(image))
        await bench.batches(1)
        await bench.view(*_names("road"))
    as_it_was(bench.platform.home)

    async with bench.running(recipe):
        await bench.write(saved(image, name="road_1"))
        batches = await bench.batches(2)
        await bench.view(*_names("road"), *_names("road_1"))

    assert [batch.name for batch in batches] == ["road", "road_1"]


def as_it_was(home: Path) -> None:
    """The ledger and the view of version 0.1."""
    with closing(sqlite3.connect(ledger_path(home, "augmentor"))) as ledger, ledger:
        ledger.execute("UPDATE augmented_variants SET name = replace(name, '+', '_')")
        ledger.execute("UPDATE service_version SET version_num = '0001'")
    for path in home.glob("data-processed/*/road+*"):
        path.rename(path.with_name(path.name.replace("+", "_")))


async def test_a_changed_recipe_augments_everything_again(
    bench: Bench, recipe: Recipe, saved: Saved, jpeg: bytes
) -> None:
    """The scan at start finds what another recipe made, and only that."""
    image = await bench.platform.blobs.put(jpeg, "image/jpeg")
    async with bench.running(recipe):
        await bench.write(saved(image), saved(image, name="other"))
        await bench.batches(2)
    fewer = recipe.model_copy(update={"variants": 2})

    async with bench.running(fewer):
        batches = await bench.batches(4)
        await bench.view("road", "road+1", "road+2", "other", "other+1", "other+2")
    async with bench.running(fewer):
        await bench.write(saved(image, name="third"))
        await bench.batches(5)

    assert {(batch.name, batch.recipe_sha256) for batch in batches[2:]} == {
        ("road", fewer.digest),
        ("other", fewer.digest),
    }
    assert len(bench.inline.tasks) == 5


async def test_lost_variants_are_made_again(bench: Bench, recipe: Recipe, saved: Saved, jpeg: bytes) -> None:
    """The scan at start brings back a blob that is gone, and files that somebody removed from the view."""
    image = await bench.platform.blobs.put(jpeg, "image/jpeg")
    async with bench.running(recipe):
        await bench.write(saved(image))
        (batch,) = await bench.batches(1)
        await bench.view(*_names("road"))
    await bench.platform.blobs.delete(batch.variants[4].image.sha256)
    (bench.platform.home / "data-processed/images/road+4.jpg").unlink()
    (bench.platform.home / "data-processed/labels/stray.txt").write_text("0 0 0 0 0")

    async with bench.running(recipe):
        _, again = await bench.batches(2)
        await bench.view(*_names("road"))

    assert again == batch
    assert await bench.platform.blobs.size(batch.variants[4].image.sha256) is not None


async def test_the_service_runs_with_real_workers(bench: Bench, saved: Saved, jpeg: bytes) -> None:
    """As started by the runtime: settings, recipe, worker processes, and an orderly end."""
    (bench.platform.home / "azaion.yaml").write_text("augmentor: {workers: 1, seed: 4}")
    image = await bench.platform.blobs.put(jpeg, "image/jpeg")
    task = asyncio.create_task(SERVICE.run(bench.platform))
    await bench.write(saved(image))
    (batch,) = await bench.batches(1)
    bench.platform.stopping.set()
    await task

    assert (batch.seed, len(batch.variants)) == (4, 8)
    assert len(list((bench.platform.home / "data-processed/images").iterdir())) == 8
