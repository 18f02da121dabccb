"""Measures a checkpoint on one side of a dataset: mAP as ultralytics computes it, and every box behind it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from ultralytics.models.yolo.detect import DetectionValidator

from azaion_ultralytics.checkpoint_file import load_detector
from azaion_ultralytics.checkpoints import adopt
from azaion_ultralytics.dataset import read_dataset, write_dataset
from azaion_ultralytics.devices import resolve_device, use_threads
from azaion_ultralytics.protocol import Channel, ValidateJob


class RecordingValidator(DetectionValidator):
    """Ultralytics' validator that also keeps its boxes, as lines of pixels of the original pictures."""

    def init_metrics(self, model: Any) -> None:
        super().init_metrics(model)
        self.lines: list[dict[str, Any]] = []

    def update_metrics(self, preds: list[dict[str, Any]], batch: dict[str, Any]) -> None:
        super().update_metrics(preds, batch)
        for index, pred in enumerate(preds):
            height, width = batch["ori_shape"][index]
            self.lines.append(
                {
                    "image": batch["im_file"][index],
                    "width": width,
                    "height": height,
                    "boxes": self._boxes(index, pred, batch),
                }
            )

    def _boxes(self, index: int, pred: dict[str, Any], batch: dict[str, Any]) -> list[list[float]]:
        scaled = self.scale_preds(pred, self._prepare_batch(index, batch))
        columns = (scaled["bboxes"].tolist(), scaled["conf"].tolist(), scaled["cls"].tolist())
        return [[*box, score, class_id] for box, score, class_id in zip(*columns, strict=True)]


def validate(job: ValidateJob, channel: Channel) -> dict[str, Any]:
    """Metrics of ``checkpoint`` on ``split``, letterboxed to squares as an export of fixed shape sees them."""
    data = read_dataset(job.data, sides=(job.split,))
    model = load_detector(job.checkpoint)
    with tempfile.TemporaryDirectory(prefix="azaion-validate-") as folder:
        validator = RecordingValidator(
            save_dir=Path(folder),
            args={
                "data": str(write_dataset(data, Path(folder) / "data.yaml")),
                "split": job.split,
                "imgsz": job.imgsz,
                "batch": job.batch,
                "device": resolve_device(job.device),
                "rect": False,
                "plots": False,
                "verbose": False,
                "mode": "val",
            },
        )
        _report_progress(validator, channel)
        validator(model=model.model)
    if job.detections:
        write_lines(job.detections, validator.lines)
    return {"metrics": metrics_of(validator.metrics)}


def metrics_of(metrics: Any) -> dict[str, Any]:
    """mAP, precision and recall overall and per class; classes without a labelled object have no figures."""
    precision, recall, map50, map50_95 = metrics.mean_results()
    return {
        "map50": map50,
        "map50_95": map50_95,
        "precision": precision,
        "recall": recall,
        "per_class": {
            metrics.names[number]: _class_metrics(metrics, row)
            for row, number in enumerate(metrics.ap_class_index)
        },
    }


def _class_metrics(metrics: Any, row: int) -> dict[str, float]:
    precision, recall, map50, map50_95 = metrics.class_result(row)
    labelled = int(metrics.nt_per_class[metrics.ap_class_index[row]])
    figures = {"map50": map50, "map50_95": map50_95, "precision": precision, "recall": recall}
    return {**{name: float(value) for name, value in figures.items()}, "objects": labelled}


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    adopt(temporary, path)


def _report_progress(validator: Any, channel: Channel) -> None:
    def report(validator: Any) -> None:
        total = len(validator.dataloader.dataset)
        channel.progress("validate", done=min(validator.seen or 0, total), total=total)

    validator.add_callback("on_val_start", lambda _: use_threads())
    validator.add_callback("on_val_batch_end", report)
