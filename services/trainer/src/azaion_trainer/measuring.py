"""Measures a checkpoint on the test side of a dataset, in the pixels and class names of the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from azaion_common.contracts.events.references import BlobRef
from azaion_common.core.errors import PermanentError
from azaion_common.platform.storage import BlobStore
from azaion_trainer.evaluation import Evaluation, Found, Sample, Truth, evaluate
from azaion_trainer.manifest import DatasetPicture, Manifest
from azaion_trainer.ports import DatasetFolders, PictureDetections, TrainingToolchain
from azaion_trainer.thresholds import best_thresholds

THRESHOLD_PICTURES = 1000
"""F1 is a figure of the whole side: more pictures would cost time and say the same."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Runs checkpoints on test sides. Detection is that of deployment: square letterbox, one class per box."""

    toolchain: TrainingToolchain
    folders: DatasetFolders
    blobs: BlobStore

    async def measure(
        self,
        checkpoint: Path,
        manifest: Manifest,
        folder: Path,
        *,
        class_names: Sequence[str],
        imgsz: int,
        device: str,
        output: Path,
        thresholds: bool = False,
    ) -> Evaluation:
        """Metrics over the classes of the manifest, for a model whose class ids mean ``class_names``.

        The valid side is looked at as well, for the thresholds: nothing is chosen on the test side.
        """
        pictures = list(manifest.side("test"))
        set_aside = spread(list(manifest.side("valid")), THRESHOLD_PICTURES) if thresholds else []
        images = [self.folders.image(folder, picture) for picture in (*pictures, *set_aside)]
        detections = await self.toolchain.detect(
            checkpoint, images, imgsz=imgsz, device=device, output=output
        )
        renamed = renumber(class_names, manifest.class_names)
        samples = [
            Sample(await self._truth(manifest, picture, each), _renumbered(each.found, renamed))
            for picture, each in zip((*pictures, *set_aside), detections, strict=True)
        ]
        test, valid = samples[: len(pictures)], samples[len(pictures) :]
        evaluation = evaluate(test, manifest.class_names)
        known = {name: each for name, each in evaluation.matches.items() if name in class_names}
        return Evaluation(evaluation.metrics, known, best_thresholds(valid, manifest.class_names))

    async def _truth(
        self, manifest: Manifest, picture: DatasetPicture, detections: PictureDetections
    ) -> Truth:
        labels = (await self.blobs.get(picture.files[0].labels.sha256)).decode()
        return truth_of(labels, manifest, detections.width, detections.height)


def spread(pictures: Sequence[DatasetPicture], limit: int) -> Sequence[DatasetPicture]:
    """At most ``limit`` of them, evenly spread over their order."""
    if len(pictures) <= limit:
        return pictures
    return [pictures[number * len(pictures) // limit] for number in range(limit)]


def truth_of(labels: str, manifest: Manifest, width: int, height: int) -> Truth:
    """The labelled objects in pixels from YOLO lines of slots; raises PermanentError ``labels_malformed``."""
    try:
        rows = np.array([line.split() for line in labels.splitlines() if line.strip()], dtype=np.float64)
        rows = rows.reshape(-1, 5)
    except ValueError as error:
        raise PermanentError("labels_malformed", f"not a YOLO label text: {error}") from error
    slots = [int(slot) for slot in rows[:, 0]]
    kept = [number for number, slot in enumerate(slots) if slot in manifest.class_of_slot]
    centres, sizes = rows[kept, 1:3], rows[kept, 3:5]
    boxes = np.hstack([centres - sizes / 2, centres + sizes / 2]) * [width, height, width, height]
    return Truth(
        boxes=boxes,
        classes=np.array([manifest.class_of_slot[slots[number]] for number in kept], dtype=np.int64),
        conditions=tuple(manifest.condition_of_slot[slots[number]] for number in kept),
    )


def renumber(names: Sequence[str], wanted: Sequence[str]) -> dict[int, int]:
    """Class ids of a model with ``names`` to class ids in ``wanted``; classes that are not wanted are missing."""
    index = {name: number for number, name in enumerate(wanted)}
    return {number: index[name] for number, name in enumerate(names) if name in index}


def _renumbered(found: Found, new_ids: Mapping[int, int]) -> Found:
    kept = [number for number, class_id in enumerate(found.classes.tolist()) if class_id in new_ids]
    classes = np.array([new_ids[class_id] for class_id in found.classes[kept].tolist()], dtype=np.int64)
    return Found(found.boxes[kept], found.scores[kept], classes)


def probe_images(manifest: Manifest, limit: int) -> tuple[BlobRef, ...]:
    """Up to ``limit`` pictures of the test side, from as many scenes as possible; the same ones every time."""
    turns: dict[str, int] = {}
    ranked = []
    for picture in manifest.side("test"):
        turn = turns[picture.group] = turns.get(picture.group, 0) + 1
        ranked.append((turn, picture.name, picture.files[0].image))
    return tuple(image for _, _, image in sorted(ranked, key=lambda each: each[:2])[:limit])
