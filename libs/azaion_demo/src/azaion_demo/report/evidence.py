"""What events only refer to, read from the home: manifest, certificate, label texts, detections, truth of a clip."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import (
    BatchAugmented,
    Box,
    DatasetFormed,
    ModelExported,
    ModelPublished,
    ModelTrained,
    TrainingStarted,
)
from azaion_common.contracts.events.references import Value
from azaion_common.core.errors import PermanentError
from azaion_common.platform.storage import BlobStore
from azaion_demo.loop_state import LoopState
from azaion_demo.report.sampling import choose_pictures
from azaion_demo.run import Outcome
from azaion_demo.workspace import clip_truth


class Placed(Value):
    """A picture in the dataset's manifest."""

    name: str
    side: str
    group: str


class Manifest(Value):
    """What the report needs of a manifest."""

    pictures: tuple[Placed, ...]


class Check(Value):
    """One statement of the certificate."""

    name: str
    statement: str
    examined: int


class Certificate(Value):
    """The leak certificate as the trainer wrote it."""

    dataset_id: str
    split_key_sha256: str
    shares: dict[str, float]
    gap_s: float
    hash_distance: int
    pictures: dict[str, int]
    groups: dict[str, int]
    closest_across_sides: int
    checks: tuple[Check, ...]
    left_out: tuple[dict[str, str], ...] = ()


class Found(Value):
    """One detection; ``box`` is x1, y1, x2, y2 in pixels."""

    class_name: str = Field(alias="class")
    confidence: float
    box: tuple[float, float, float, float]


class InferredFrame(Value):
    """One line of ``detections.jsonl``; ``image`` names the file where the source is a folder."""

    frame: int
    time_s: float
    image: str = ""
    detections: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """The events of a loop that came to its end."""

    dataset: DatasetFormed
    training: TrainingStarted
    trained: ModelTrained
    exported: ModelExported
    published: ModelPublished


@dataclass(frozen=True, slots=True)
class Copy:
    """The image and the labels of an original or a variant."""

    name: str
    image: bytes
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a report is made from, beside the outcome."""

    finished: Finished
    catalogue: Catalogue
    certificate: Certificate
    placed: tuple[Placed, ...]
    samples: tuple[tuple[Copy, ...], ...]
    """Per sample picture: the original, then its variants."""
    frames: tuple[InferredFrame, ...]
    truth: tuple[tuple[tuple[float, ...], ...], ...]
    """Per frame of a drawn clip its boxes as x1, y1, x2, y2, class id; empty where nobody knows."""

    @property
    def group_sizes(self) -> dict[str, list[tuple[str, int]]]:
        """Groups of each side with their number of pictures, largest first."""
        sizes = Counter((picture.side, picture.group) for picture in self.placed)
        sides: dict[str, list[tuple[str, int]]] = {side: [] for side in self.certificate.pictures}
        for (side, group), size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
            sides.setdefault(side, []).append((group, size))
        return sides


def finished(state: LoopState) -> Finished:
    """The loop's end; raises PermanentError ``demo_incomplete`` before it."""
    events = (state.dataset, state.training, state.trained, state.exported, state.published)
    match events:
        case (
            DatasetFormed() as dataset,
            TrainingStarted() as training,
            ModelTrained() as trained,
            ModelExported() as exported,
            ModelPublished() as published,
        ):
            return Finished(dataset, training, trained, exported, published)
        case _:
            raise PermanentError("demo_incomplete", "the loop has not come to its end")


async def gather_evidence(outcome: Outcome, blobs: BlobStore) -> Evidence:
    """Read all that the report shows.

    Raises:
        PermanentError: ``demo_incomplete``; ``blob_missing`` and ``blob_corrupt`` from the store.
    """
    done = finished(outcome.state)
    catalogue = await asyncio.to_thread(Catalogue.load, outcome.home / "catalogue.yaml")
    manifest = Manifest.model_validate_json(await blobs.get(done.dataset.manifest.sha256))
    certificate = Certificate.model_validate_json(await blobs.get(done.dataset.certificate.sha256))
    groups = {picture.name: picture.group for picture in manifest.pictures if picture.side == "train"}
    names = choose_pictures(outcome.state.saved, outcome.state.augmented, groups)
    batches = [outcome.state.augmented[name] for name in names]
    return Evidence(
        finished=done,
        catalogue=catalogue,
        certificate=certificate,
        placed=manifest.pictures,
        samples=tuple([await _copies(batch, blobs, catalogue) for batch in batches]),
        frames=await asyncio.to_thread(_inferred, outcome.detections),
        truth=await _truth(outcome.material.truth),
    )


async def _copies(batch: BatchAugmented, blobs: BlobStore, catalogue: Catalogue) -> tuple[Copy, ...]:
    copies = []
    for variant in batch.variants:
        text = (await blobs.get(variant.labels.sha256)).decode()
        image = await blobs.get(variant.image.sha256)
        copies.append(Copy(variant.name, image, labelled_boxes(text, catalogue)))
    return tuple(copies)


def labelled_boxes(text: str, catalogue: Catalogue) -> tuple[Box, ...]:
    """The boxes of a YOLO text whose classes are the catalogue's slots."""
    boxes = []
    for line in text.splitlines():
        slot, cx, cy, w, h = line.split()
        class_id, condition = catalogue.decode(int(slot))
        boxes.append(
            Box(class_id=class_id, condition=condition, cx=float(cx), cy=float(cy), w=float(w), h=float(h))
        )
    return tuple(boxes)


def _inferred(path: Path) -> tuple[InferredFrame, ...]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(InferredFrame.model_validate(json.loads(line)) for line in lines if line)


async def _truth(path: Path | None) -> tuple[tuple[tuple[float, ...], ...], ...]:
    if path is None:
        return ()
    return tuple(tuple(tuple(box) for box in boxes) for boxes in await clip_truth(path))
