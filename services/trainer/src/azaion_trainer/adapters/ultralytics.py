"""The ultralytics toolchain as the trainer uses it: train with live progress, and run a checkpoint on pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from azaion_common.contracts.events import EpochMetrics
from azaion_common.contracts.events.models import Hardware
from azaion_common.core.errors import PermanentError
from azaion_common.platform.toolchain import Toolchain
from azaion_trainer import metrics
from azaion_trainer.evaluation import MAX_DETECTIONS, Found
from azaion_trainer.parameters import TrainingParameters, TrainingWishes
from azaion_trainer.plan import IMGSZ, IMGSZ_ON_CPU, Prospect
from azaion_trainer.ports import KnownSettings, OnEpoch, PictureDetections, TrainedCheckpoint

NAME = "ultralytics"
LOWEST_SCORE = 0.001
NMS_IOU = 0.7

Line = Mapping[str, Any]


class UltralyticsTraining:
    """``TrainingToolchain`` through the child process protocol."""

    def __init__(self, toolchain: Toolchain, niceness: int = 0) -> None:
        self._toolchain = toolchain
        self._niceness = niceness

    async def probe(self, wishes: TrainingWishes) -> Prospect:
        result = await self._toolchain.run(
            {
                "operation": "probe",
                "imgsz": wishes.imgsz or IMGSZ,
                "imgsz_on_cpu": wishes.imgsz or IMGSZ_ON_CPU,
                **wishes.model_dump(
                    mode="json", include={"architecture", "batch", "device", "threads", "overrides"}
                ),
            }
        )
        return Prospect(
            hardware=Hardware.model_validate(result["hardware"]),
            imgsz=int(result["imgsz"]),
            pictures_per_second=max(float(result["pictures_per_second"]), 0.001),
        )

    async def check(self, overrides: Mapping[str, Any]) -> KnownSettings:
        """Which settings there are, and what is wrong with ``overrides``, by name; loads no framework.

        Raises:
            PermanentError: ``toolchain_missing``.
        """
        result = await self._toolchain.run({"operation": "check", "overrides": dict(overrides)})
        return KnownSettings(result["settings"], result["architectures"], result["problems"])

    async def train(
        self, data: Path, workdir: Path, parameters: TrainingParameters, on_epoch: OnEpoch
    ) -> TrainedCheckpoint:
        async def on_line(line: Line) -> None:
            if line["type"] == "progress" and line.get("stage") == "train":
                _show_progress(line)
            if line["type"] == "epoch":
                await on_epoch(epoch_metrics(line, int(line["epochs"])))

        job = {
            "operation": "train",
            "data": str(data),
            "workdir": str(workdir),
            "niceness": self._niceness,
            **parameters.model_dump(mode="json", exclude={"picture_passes", "budget_hours"}),
        }
        result = await self._toolchain.run(job, on_line)
        return TrainedCheckpoint(
            path=Path(result["best"]),
            curves=tuple(epoch_metrics(point, parameters.epochs) for point in result["curves"]),
            train_seconds=float(result["train_seconds"]),
            versions={
                "name": NAME,
                **{each: str(result[each]) for each in (NAME, "torch") if each in result},
            },
            hardware=Hardware.model_validate(result["hardware"]) if "hardware" in result else None,
        )

    async def detect(
        self, checkpoint: Path, images: Sequence[Path], *, imgsz: int, device: str, output: Path
    ) -> list[PictureDetections]:
        await self._toolchain.run(
            {
                "operation": "predict",
                "checkpoint": str(checkpoint),
                "images": [str(image) for image in images],
                "imgsz": imgsz,
                "confidence": LOWEST_SCORE,
                "iou": NMS_IOU,
                "max_detections": MAX_DETECTIONS,
                "device": device,
                "output": str(output),
            }
        )
        return read_detections(output, images)


def read_detections(path: Path, images: Sequence[Path]) -> list[PictureDetections]:
    """One JSON line per picture, put into the order of ``images``.

    Raises:
        PermanentError: ``detections_incomplete``.
    """
    with path.open() as file:
        lines = {line["image"]: line for line in map(json.loads, file)}
    missing = [str(image) for image in images if str(image) not in lines]
    if missing:
        raise PermanentError(
            "detections_incomplete", f"no line for {len(missing)} of {len(images)} pictures: {missing[0]}"
        )
    return [_detections(lines[str(image)]) for image in images]


def _detections(line: Line) -> PictureDetections:
    rows = np.array(line["boxes"], dtype=np.float64).reshape(-1, 6)
    found = Found(boxes=rows[:, :4], scores=rows[:, 4], classes=rows[:, 5].astype(np.int64))
    return PictureDetections(width=int(line["width"]), height=int(line["height"]), found=found)


def epoch_metrics(line: Line, epochs: int) -> EpochMetrics:
    """A point of the curves; an epoch that was not measured has no metrics, and null (NaN) is left out."""
    loss = {**(line.get("loss") or {})}
    loss.update({f"val_{name}": value for name, value in (line.get("val_loss") or {}).items()})
    return EpochMetrics(
        epoch=int(line["epoch"]),
        epochs=epochs,
        metrics=_numbers(line.get("metrics") or {}),
        loss=_numbers(loss),
        seconds=max(0.0, float(line.get("seconds") or 0.0)),
    )


def _numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None}


def _show_progress(line: Line) -> None:
    batches = max(int(line.get("batches", 1)), 1)
    metrics.EPOCH.set(int(line.get("epoch", 1)) - 1 + int(line.get("batch", 0)) / batches)
    metrics.EPOCHS.set(int(line.get("epochs", 0)))
    metrics.GPU_MEMORY.set(int(line.get("gpu_memory_bytes") or 0))
    for part, value in _numbers(line.get("loss") or {}).items():
        metrics.LOSS.labels(part).set(value)
