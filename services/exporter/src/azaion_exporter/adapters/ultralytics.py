"""The source model, in the ultralytics toolchain's own process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from azaion_common.core.errors import PermanentError
from azaion_common.platform.toolchain import Toolchain
from azaion_exporter.ports import ExportRequest
from azaion_vision.detections import Detections
from azaion_vision.runtimes.outputs import Thresholds


@dataclass(frozen=True)
class UltralyticsSource:
    """One child process per call."""

    toolchain: Toolchain
    device: str

    async def export(self, request: ExportRequest) -> dict[str, str]:
        result = await self.toolchain.run(
            {
                "operation": "export",
                "checkpoint": str(request.checkpoint),
                "format": request.format,
                "imgsz": request.imgsz,
                "batch": request.batch,
                "nms": True,
                **_suppression(request.thresholds),
                "output": str(request.output),
                "properties": dict(request.properties),
            }
        )
        return {"opset": str(result["opset"])}

    async def predict(
        self, checkpoint: Path, pictures: Sequence[Path], imgsz: int, thresholds: Thresholds
    ) -> list[Detections]:
        output = checkpoint.with_name("predictions.jsonl")
        await self.toolchain.run(
            {
                "operation": "predict",
                "checkpoint": str(checkpoint),
                "images": [str(picture) for picture in pictures],
                "imgsz": imgsz,
                **_suppression(thresholds),
                "device": self.device,
                "output": str(output),
            }
        )
        return parse_predictions(output.read_text(), pictures)


def _suppression(thresholds: Thresholds) -> dict[str, Any]:
    return {
        "confidence": thresholds.confidence,
        "iou": thresholds.iou,
        "max_detections": thresholds.max_detections,
    }


def parse_predictions(text: str, pictures: Sequence[Path]) -> list[Detections]:
    """One JSON line per picture, in their order.

    Raises:
        PermanentError: ``toolchain_garbled``.
    """
    try:
        lines = {line["image"]: line["boxes"] for line in map(json.loads, text.splitlines())}
        rows = [np.array(lines[str(picture)], np.float32).reshape(-1, 6) for picture in pictures]
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError(
            "toolchain_garbled", f"the toolchain's predictions are not readable: {error!r}"
        ) from error
    return [Detections.from_rows(found) for found in rows]
