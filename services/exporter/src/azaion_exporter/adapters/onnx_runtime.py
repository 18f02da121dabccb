"""The artefact, run by the same code that devices run it with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from azaion_common.core.errors import PermanentError
from azaion_exporter.ports import Opened
from azaion_vision.detections import Detections
from azaion_vision.letterbox import Letterbox, Placement, letterbox
from azaion_vision.runtimes import Model, onnx
from azaion_vision.runtimes.outputs import Thresholds
from azaion_vision.runtimes.quiet_onnxruntime import onnxruntime


@dataclass(frozen=True)
class OnnxRuntime:
    """ONNX Runtime on the CPU, from memory."""

    threads: int | None

    async def open(self, artifact: Path, pictures: Sequence[Path], thresholds: Thresholds) -> Opened:
        return await asyncio.to_thread(self._open, artifact, pictures, thresholds)

    def _open(self, artifact: Path, pictures: Sequence[Path], thresholds: Thresholds) -> Opened:
        model = onnx.load(artifact.read_bytes(), self.threads, thresholds=thresholds)
        written: dict[str, str] = model.session.get_modelmeta().custom_metadata_map
        return Opened(
            detections=list(detect(model, pictures)),
            class_names=tuple(model.names[index] for index in sorted(model.names)),
            details={
                "ultralytics": str(written.get("version", "unknown")),
                "onnxruntime": str(onnxruntime.__version__),
            },
        )


def detect(model: Model, pictures: Sequence[Path]) -> Iterator[Detections]:
    """What ``model`` finds in the picture files, batch by batch.

    Raises:
        PermanentError: ``probe_unreadable``.
    """
    for start in range(0, len(pictures), model.batch_size):
        chunk = pictures[start : start + model.batch_size]
        batch = np.empty((len(chunk), 3, *model.input_size), np.float32)
        placements = [_place(path, slot, model.input_size) for path, slot in zip(chunk, batch, strict=True)]
        for rows, placement in zip(model.infer(batch), placements, strict=True):
            found = Detections.from_rows(rows)
            yield Detections(placement.to_original(found.boxes), found.scores, found.class_ids)


def _place(path: Path, slot: NDArray[np.float32], size: tuple[int, int]) -> Placement:
    image: Any = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise PermanentError("probe_unreadable", f"cannot read the probe picture {path.name}")
    letterbox(image, size, out=slot)
    return Letterbox(size).place(image.shape[:2])
