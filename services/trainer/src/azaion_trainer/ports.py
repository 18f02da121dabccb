"""What the trainer needs from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from azaion_common.contracts.events import EpochMetrics
from azaion_common.contracts.events.models import Hardware
from azaion_trainer.certificate import Certificate
from azaion_trainer.evaluation import Found
from azaion_trainer.manifest import DatasetPicture, Manifest
from azaion_trainer.parameters import TrainingParameters, TrainingWishes
from azaion_trainer.plan import Prospect


@dataclass(frozen=True, slots=True)
class TrainedCheckpoint:
    """What a training leaves behind. ``versions`` names the toolchain and its libraries, ``hardware`` where it ended."""

    path: Path
    curves: tuple[EpochMetrics, ...]
    train_seconds: float
    versions: dict[str, str]
    hardware: Hardware | None = None


@dataclass(frozen=True, slots=True)
class PictureDetections:
    """What a model found in one picture of ``width`` x ``height`` pixels."""

    width: int
    height: int
    found: Found


@dataclass(frozen=True, slots=True)
class KnownSettings:
    """What a toolchain takes: its settings with their values in words, its architectures, and what is wrong with some."""

    settings: Mapping[str, str]
    architectures: Collection[str]
    problems: Mapping[str, str]


OnEpoch = Callable[[EpochMetrics], Awaitable[None]]


class TrainingToolchain(Protocol):
    """The framework that trains and runs checkpoints. All raise AzaionError as the framework says."""

    async def probe(self, wishes: TrainingWishes) -> Prospect:
        """What a training would run on and how fast, after its settings were checked.

        Raises:
            PermanentError: ``bad_job``, ``device_unavailable`` (a GPU that is there and cannot be used, too).
        """
        ...

    async def train(
        self, data: Path, workdir: Path, parameters: TrainingParameters, on_epoch: OnEpoch
    ) -> TrainedCheckpoint:
        """Train, or go on with what ``workdir`` holds of the same training. May tell an epoch again after that."""
        ...

    async def detect(
        self, checkpoint: Path, images: Sequence[Path], *, imgsz: int, device: str, output: Path
    ) -> list[PictureDetections]:
        """All detections from score 0.001 on, in the order of ``images``; ``output`` is a file to write them to."""
        ...


class DatasetFolders(Protocol):
    """Where datasets lie as folders: a view that can always be made again from the manifest."""

    async def ensure(self, manifest: Manifest, certificate: Certificate) -> Path:
        """The folder of the dataset, complete; made when missing. Holds ``data.yaml``."""
        ...

    def image(self, folder: Path, picture: DatasetPicture) -> Path:
        """The image file of the picture itself (not of a variant)."""
        ...
