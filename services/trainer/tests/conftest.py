"""Pictures, blobs and a toolchain to train with, on a real embedded platform."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import (
    BatchAugmented,
    BlobRef,
    Box,
    EpochMetrics,
    Event,
    ImageSaved,
    Variant,
    datasets,
    images,
    models,
)
from azaion_common.contracts.events.codec import decode
from azaion_common.contracts.events.models import Hardware
from azaion_common.core.errors import AzaionError
from azaion_common.platform.ledger.handler import Delivery, Outgoing
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.streams import Record
from azaion_common.testing import platform as embedded
from azaion_trainer.dataset import Formation, ReadyPicture, form_dataset
from azaion_trainer.evaluation import Found
from azaion_trainer.groups import GroupingRules, Picture
from azaion_trainer.handlers import PictureKeeper
from azaion_trainer.parameters import TrainingParameters, TrainingWishes
from azaion_trainer.plan import Prospect
from azaion_trainer.ports import OnEpoch, PictureDetections, TrainedCheckpoint
from azaion_trainer.settings import TrainerSettings
from azaion_trainer.split import Placed, SplitPolicy
from azaion_trainer.tables import METADATA

CATALOGUE = Catalogue.default()
CPU = Hardware(device="cpu", name="Testor 9000", threads=2)
SIZE = 100


def reference(data: bytes, media_type: str = "image/jpeg") -> BlobRef:
    return BlobRef(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), media_type=media_type)


def image_bytes(name: str, number: int = 0) -> bytes:
    return f"image of {name}, variant {number}".encode()


def dhash_of(scene: int) -> int:
    return random.Random(scene).getrandbits(64)


LABELS = b"0 0.500000 0.500000 0.400000 0.400000\n21 0.200000 0.200000 0.100000 0.100000\n"
"""A car in the default condition and a truck in winter (slot 1 + 20), as slots of the catalogue."""


def variants(name: str, count: int) -> tuple[Variant, ...]:
    names = [name, *(f"{name}_{number}" for number in range(1, count))]
    labels = reference(LABELS, "text/plain")
    return tuple(
        Variant(name=each, image=reference(image_bytes(name, number)), labels=labels, boxes=2)
        for number, each in enumerate(names)
    )


@pytest.fixture
def ready() -> Callable[..., ReadyPicture]:
    """A function: a picture with a car, a truck in winter and two variants."""

    def make(
        name: str, scene: int, *, objects: dict[int, int] | None = None, copies: int = 3
    ) -> ReadyPicture:
        picture = Picture(name, reference(image_bytes(name)).sha256, dhash_of(scene))
        return ReadyPicture(
            picture, 1, objects if objects is not None else {0: 1, 21: 1}, variants(name, copies)
        )

    return make


@pytest.fixture
def form(ready: Callable[..., ReadyPicture]) -> Callable[..., Formation]:
    """A function: a dataset of ``count`` pictures, two of each scene; anything may be given instead."""

    def make(
        count: int = 20,
        *,
        pictures: Sequence[ReadyPicture] | None = None,
        known: Sequence[Placed] = (),
        policy: SplitPolicy | None = None,
        not_augmented: Sequence[str] = (),
        class_space: str = "base",
    ) -> Formation:
        given = (
            pictures
            if pictures is not None
            else [ready(f"p{number:02}", number // 2) for number in range(count)]
        )
        return form_dataset(
            given,
            not_augmented=not_augmented,
            known=known,
            policy=policy,
            rules=GroupingRules(),
            catalogue=CATALOGUE,
            class_space=class_space,  # type: ignore[arg-type]
            stream_offsets={"azaion.images": 7},
        )

    return make


@dataclass
class FakeToolchain:
    """Trains in no time. Its checkpoints say how many of the objects (all where LABELS has them) they find.

    ``skill`` is what the next training reaches (0 to 1). With ``dies_at`` it is cancelled, as by a kill, after so
    many epochs; what was trained until then is found again in the working folder, as the real one does.
    """

    skill: float = 1.0
    error: AzaionError | None = None
    dies_at: str = ""
    refuses: AzaionError | None = None
    hardware: Hardware = CPU
    pictures_per_second: float = 20.0
    trained: list[tuple[Path, TrainingParameters]] = field(default_factory=list)
    detected: list[Path] = field(default_factory=list)

    async def probe(self, wishes: TrainingWishes) -> Prospect:
        if self.refuses:
            raise self.refuses
        return Prospect(self.hardware, wishes.imgsz or 320, self.pictures_per_second)

    async def train(
        self, data: Path, workdir: Path, parameters: TrainingParameters, on_epoch: OnEpoch
    ) -> TrainedCheckpoint:
        self.trained.append((data, parameters))
        workdir.mkdir(parents=True, exist_ok=True)
        curves = []
        for epoch in range(1, parameters.epochs + 1):
            point = EpochMetrics(
                epoch=epoch,
                epochs=parameters.epochs,
                metrics={"map50": epoch / 100},
                loss={"box": 1.0},
                seconds=1,
            )
            curves.append(point)
            done = workdir / f"epoch-{epoch}"
            if not done.exists():
                done.touch()
                self._maybe_die(f"checkpoint {epoch}")  # durable, but nobody was told
                await on_epoch(point)
                self._maybe_die(f"epoch {epoch}")
        if self.error:
            raise self.error
        best = workdir / "best.pt"
        best.write_bytes(f"{self.skill} {data.parent.name} {parameters.epochs}".encode())
        return TrainedCheckpoint(best, tuple(curves), 12.5, {"name": "fake", "fake": "1"}, self.hardware)

    async def detect(
        self, checkpoint: Path, images: Sequence[Path], *, imgsz: int, device: str, output: Path
    ) -> list[PictureDetections]:
        self.detected.append(checkpoint)
        self._maybe_die(f"detect {len(self.detected)}")
        skill = float(checkpoint.read_bytes().split()[0])
        return [self._detections(number, skill) for number in range(len(images))]

    def _detections(self, number: int, skill: float) -> PictureDetections:
        seen = random.Random(number).random() < skill
        boxes = np.array([[30.0, 30, 70, 70], [15, 15, 25, 25]] if seen else []).reshape(-1, 4)
        ids = np.array([0, 1] if seen else [], dtype=np.int64)
        return PictureDetections(SIZE, SIZE, Found(boxes, np.full(len(boxes), 0.9), ids))

    def _maybe_die(self, where: str) -> None:
        if self.dies_at == where:
            self.dies_at = ""
            raise KilledError


class KilledError(BaseException):
    """Stands for ``kill -9``: nothing catches it."""


@pytest.fixture
def toolchain() -> FakeToolchain:
    return FakeToolchain()


@pytest.fixture
def killed() -> type[BaseException]:
    return KilledError


@pytest.fixture
def settings() -> TrainerSettings:
    return TrainerSettings(epochs=3, imgsz=320, augmentation_wait_s=0, min_map50=0)


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    async with embedded(tmp_path) as opened:
        yield opened


@pytest.fixture
async def ledger(platform: Platform) -> AsyncIterator[Ledger]:
    async with platform.open_ledger("trainer", METADATA) as opened:
        yield opened


def saved(name: str, scene: int, *, revision: int = 1, validated: bool = True) -> ImageSaved:
    return ImageSaved(
        name=name,
        revision=revision,
        image=reference(image_bytes(name)),
        width=SIZE,
        height=SIZE,
        boxes=(
            Box(class_id=0, condition="Norm", cx=0.5, cy=0.5, w=0.4, h=0.4),
            Box(class_id=1, condition="Wint", cx=0.2, cy=0.2, w=0.1, h=0.1),
        ),
        validated=validated,
        dhash=f"{dhash_of(scene):016x}",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def augmented(name: str, *, revision: int = 1, copies: int = 3) -> BatchAugmented:
    digest = hashlib.sha256(b"recipe").hexdigest()
    source = reference(image_bytes(name)).sha256
    return BatchAugmented(
        name=name,
        revision=revision,
        source_sha256=source,
        recipe_sha256=digest,
        seed=1,
        variants=variants(name, copies),
    )


@pytest.fixture
def image_saved() -> Callable[..., ImageSaved]:
    return saved


@pytest.fixture
def batch_augmented() -> Callable[..., BatchAugmented]:
    return augmented


@pytest.fixture
def store_blobs(platform: Platform) -> Callable[..., object]:
    """Awaitable: the images of pictures and variants, and the labels."""

    async def store(names: Sequence[str], copies: int = 3) -> None:
        await platform.blobs.put(LABELS, "text/plain")
        for name in names:
            for number in range(copies):
                await platform.blobs.put(image_bytes(name, number), "image/jpeg")

    return store


@pytest.fixture
def publish(platform: Platform) -> Callable[..., object]:
    """Awaitable: as the ingestor and the augmentor would, onto their streams."""

    async def send(*events: Event) -> None:
        async with platform.open_ledger("others", METADATA) as others:
            effects = [
                Outgoing(images.STREAM if event.type.startswith("image") else datasets.STREAM, event, "x")
                for event in events
            ]
            await others.transact(lambda connection: others.emit(connection, effects))

    return send


@pytest.fixture
def told(platform: Platform) -> Callable[..., object]:
    """Awaitable: events of these types on the streams of models and datasets, in order."""

    async def read(*types: type[Event]) -> list[Event]:
        records = [
            *await platform.log.read(datasets.STREAM, limit=1000),
            *await platform.log.read(models.STREAM, limit=1000),
        ]
        events = [decode(record.body).event for record in records]
        return [event for event in events if isinstance(event, types)]

    return read


@pytest.fixture
def keep(ledger: Ledger) -> Callable[..., object]:
    """Awaitable: applies events as the consumer does, with offsets counting up."""
    keeper, offsets = PictureKeeper(CATALOGUE), Counter[str]()

    async def apply(*events: Event, at: datetime | None = None) -> None:
        deliveries = [_delivery(event, offsets, at or datetime.now(UTC)) for event in events]

        def handle(connection: Connection) -> None:
            for delivery in deliveries:
                keeper.apply_one(connection, delivery, None)

        await ledger.transact(handle)

    return apply


def _delivery(event: Event, offsets: Counter[str], at: datetime) -> Delivery[Event]:
    stream = images.STREAM if event.type.startswith("image") else datasets.STREAM
    offsets[stream] += 1
    return Delivery(Record(stream, offsets[stream] - 1, b"", {}, at), event)
