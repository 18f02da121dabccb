"""What an export needs from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from azaion_vision.detections import Detections
from azaion_vision.runtimes.outputs import Thresholds


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """An artefact to be made of ``checkpoint``, its input fixed to (batch, 3, imgsz, imgsz)."""

    checkpoint: Path
    format: str
    imgsz: int
    batch: int
    thresholds: Thresholds
    output: Path
    properties: Mapping[str, str] = field(default_factory=dict)
    """What the file is to say about itself besides what the framework writes into it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What an artefact finds in the probe pictures, and what it says about itself."""

    detections: list[Detections]
    class_names: tuple[str, ...]
    details: dict[str, str]


class Source(Protocol):
    """The framework that the model was trained with."""

    async def export(self, request: ExportRequest) -> dict[str, str]:
        """Write ``request.output``; returns facts about it (``opset``).

        Raises:
            AzaionError: ``checkpoint_unreadable``, ``disk_full``, ``out_of_memory``…
        """
        ...

    async def predict(
        self, checkpoint: Path, pictures: Sequence[Path], imgsz: int, thresholds: Thresholds
    ) -> list[Detections]:
        """What the checkpoint itself finds, pictures letterboxed to a square. Raises: as ``export``."""
        ...


class Runtime(Protocol):
    """What devices run the artefact with."""

    async def open(self, artifact: Path, pictures: Sequence[Path], thresholds: Thresholds) -> Opened:
        """Raises: PermanentError ``model_unreadable``, ``model_unsupported``, ``probe_unreadable``."""
        ...
