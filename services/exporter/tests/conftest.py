"""An exporter whose framework and runtime are fakes, on a real embedded platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from azaion_common.contracts.events import Lineage, Metrics, ModelTrained
from azaion_common.core.errors import AzaionError
from azaion_common.platform.runtime.platform import Platform
from azaion_common.testing import platform as embedded
from azaion_exporter.exporting import Exporter
from azaion_exporter.ports import ExportRequest, Opened
from azaion_vision.detections import Detections
from azaion_vision.runtimes.outputs import Thresholds

CHECKPOINT = b"checkpoint"
NAMES = ("car", "truck")


def boxes(*scores: float, shift: float = 0.0) -> Detections:
    """One box of 100 x 100 pixels per score, far from each other, moved by ``shift`` pixels."""
    x = np.arange(len(scores)) * 200.0 + shift
    corners = np.column_stack((x, x, x + 100, x + 100)).astype(np.float32).reshape(-1, 4)
    return Detections(corners, np.array(scores, np.float32), np.zeros(len(scores), np.int64))


@dataclass
class FakeSource:
    """A framework that finds ``found`` in each picture, or fails with ``error``."""

    found: Detections = field(default_factory=lambda: boxes(0.9, 0.5, 0.01))
    error: AzaionError | None = None
    requests: list[ExportRequest] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    async def export(self, request: ExportRequest) -> dict[str, str]:
        self.requests.append(request)
        self.folders.append(request.output.parent)
        if self.error:
            raise self.error
        request.output.write_bytes(b"onnx of " + request.checkpoint.read_bytes())
        return {"opset": "18"}

    async def predict(
        self, checkpoint: Path, pictures: Sequence[Path], imgsz: int, thresholds: Thresholds
    ) -> list[Detections]:
        return [self.found for _ in pictures]


@dataclass
class FakeRuntime:
    """A runtime that finds ``found`` in each picture."""

    found: Detections = field(default_factory=lambda: boxes(0.9, 0.5, 0.01))
    names: tuple[str, ...] = NAMES

    async def open(self, artifact: Path, pictures: Sequence[Path], thresholds: Thresholds) -> Opened:
        return Opened([self.found for _ in pictures], self.names, {"onnxruntime": "fake"})


@dataclass
class Bench:
    """The exporter, its fakes, the platform, and a trained model."""

    platform: Platform
    source: FakeSource
    runtime: FakeRuntime
    exporter: Exporter
    model: ModelTrained


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with embedded(tmp_path / "home") as platform:
        source, runtime = FakeSource(), FakeRuntime()
        exporter = Exporter(
            source=source,
            runtime=runtime,
            blobs=platform.blobs,
            work=tmp_path / "work",
            in_graph=Thresholds(0.001, 0.7, 300),
            confidence=0.25,
        )
        yield Bench(platform, source, runtime, exporter, await trained(platform))


async def trained(platform: Platform) -> ModelTrained:
    return ModelTrained(
        model_id="0123456789abcdef",
        checkpoint=await platform.blobs.put(CHECKPOINT, "application/octet-stream"),
        architecture="yolo11n",
        imgsz=320,
        class_names=NAMES,
        class_colours=("#ff0000", "#00ff00"),
        metrics=Metrics(map50=0.5, map50_95=0.3, per_class={}, per_condition={}, pictures=2, evaluator="test"),
        lineage=Lineage(
            dataset_id="0" * 64, job_sha256="0" * 64, stream_offsets={}, base_weights_sha256=None,
            parent_model_id=None, toolchain={},
        ),
        train_seconds=1,
        probe_images=(
            await platform.blobs.put(b"picture 1", "image/jpeg"),
            await platform.blobs.put(b"picture 2", "image/png"),
        ),
    )  # fmt: skip
