"""Says what a checkpoint is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from azaion_ultralytics.checkpoint_file import load_detector
from azaion_ultralytics.protocol import Channel, DescribeJob


def describe(job: DescribeJob, channel: Channel) -> dict[str, Any]:
    """Class names by id, the picture size it was trained at, its architecture and number of parameters."""
    model = load_detector(job.checkpoint).model
    return {
        "names": {str(number): name for number, name in model.names.items()},
        "imgsz": model.args.get("imgsz"),
        "architecture": architecture_of(model),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def architecture_of(model: Any) -> str:
    """``yolo11n`` for a model made from yolo11.yaml at scale n."""
    stem = Path(str(model.yaml.get("yaml_file") or "unknown")).stem
    scale = str(model.yaml.get("scale") or "")
    return stem if not scale or stem.endswith(scale) else stem + scale
