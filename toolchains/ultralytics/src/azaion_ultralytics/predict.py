"""Boxes on pictures, in pixels of the original, one JSON line per picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from azaion_ultralytics.checkpoint_file import load_detector
from azaion_ultralytics.checkpoints import adopt
from azaion_ultralytics.devices import resolve_device, use_threads
from azaion_ultralytics.errors import ToolchainError
from azaion_ultralytics.protocol import Channel, PredictJob
from azaion_ultralytics.threads import FreeCores

BATCH = 16


def predict(job: PredictJob, channel: Channel) -> dict[str, Any]:
    """Write ``output``; pictures are letterboxed to a square, so that a fixed-shape export can be compared.

    Raises:
        ToolchainError: ``image_unreadable`` for a picture that OpenCV cannot decode.
    """
    model = load_detector(job.checkpoint)
    temporary = job.output.with_name(job.output.name + ".tmp")
    done = 0
    with temporary.open("w") as file:
        for line in _lines(model, job):
            file.write(json.dumps(line) + "\n")
            done += 1
            channel.progress("predict", done=done, total=len(job.images))
    adopt(temporary, job.output)
    return {"output": str(job.output), "images": done}


def _lines(model: Any, job: PredictJob) -> Iterator[dict[str, Any]]:
    threads = FreeCores().threads
    model.add_callback("on_predict_start", lambda _: use_threads(threads))
    settings = {
        "imgsz": job.imgsz,
        "conf": job.confidence,
        "iou": job.iou,
        "max_det": job.max_detections,
        "rect": False,
        "verbose": False,
        "batch": BATCH,
        "device": resolve_device(job.device),
    }
    remaining = iter(job.images)
    while paths := list(islice(remaining, BATCH)):
        results = model.predict([_read(path) for path in paths], **settings)
        for path, result in zip(paths, results, strict=True):
            height, width = result.orig_shape
            yield {"image": str(path), "width": width, "height": height, "boxes": result.boxes.data.tolist()}


def _read(path: Path) -> Any:
    """A picture as (height, width, 3) uint8 BGR, turned upright as its EXIF data says."""
    import cv2

    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ToolchainError("image_unreadable", f"cannot read the picture {path}")
    return picture
