"""Adapters: what is asked of the toolchain, and that the artefact runs as on a device."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from azaion_common.core.errors import PermanentError
from azaion_common.platform.toolchain import Toolchain
from azaion_exporter.adapters.onnx_runtime import OnnxRuntime, detect
from azaion_exporter.adapters.ultralytics import UltralyticsSource, parse_predictions
from azaion_exporter.ports import ExportRequest
from azaion_vision.runtimes.outputs import Thresholds

THRESHOLDS = Thresholds(0.001, 0.7, 300)
FAKE_TOOLCHAIN = """
import json, pathlib, sys
job = json.loads(sys.stdin.readline())
pathlib.Path(job["checkpoint"]).with_name("job.json").write_text(json.dumps(job))
if job["operation"] == "predict":
    lines = [json.dumps({"image": i, "boxes": [[1, 2, 3, 4, 0.5, 0]]}) for i in reversed(job["images"])]
    pathlib.Path(job["output"]).write_text("\\n".join(lines))
print(json.dumps({"type": "result", "output": job["output"], "opset": 18}))
"""


@pytest.fixture
def source(tmp_path: Path) -> UltralyticsSource:
    script = tmp_path / "toolchain.py"
    script.write_text(FAKE_TOOLCHAIN)
    return UltralyticsSource(Toolchain([sys.executable, str(script)]), "cpu")


async def test_an_export_is_asked_for_with_suppression_in_the_graph(
    source: UltralyticsSource, tmp_path: Path
) -> None:
    """Shape and thresholds reach the toolchain, under the keys of its protocol."""
    checkpoint = tmp_path / "checkpoint.pt"

    said = {"thresholds": "{0: 0.4}"}
    request = ExportRequest(checkpoint, "onnx", 320, 2, THRESHOLDS, tmp_path / "m.onnx", said)

    facts = await source.export(request)

    assert facts == {"opset": "18"}
    assert json.loads((tmp_path / "job.json").read_text()) == {
        "operation": "export", "checkpoint": str(checkpoint), "format": "onnx", "imgsz": 320, "batch": 2,
        "nms": True, "confidence": 0.001, "iou": 0.7, "max_detections": 300, "output": str(tmp_path / "m.onnx"),
        "properties": said,
    }  # fmt: skip


async def test_predictions_come_back_in_the_order_of_the_pictures(
    source: UltralyticsSource, tmp_path: Path
) -> None:
    """Whatever order the lines have."""
    pictures = [tmp_path / "a.jpg", tmp_path / "b.jpg"]

    found = await source.predict(tmp_path / "checkpoint.pt", pictures, 320, THRESHOLDS)

    assert [picture.boxes.tolist() for picture in found] == [[[1, 2, 3, 4]]] * 2


@pytest.mark.parametrize(
    "text", ["", "{", '{"image": "x", "boxes": []}', '{"image": "/a", "boxes": [[1, 2]]}', "[1]"]
)
def test_predictions_that_are_none_are_refused(text: str) -> None:
    """Missing pictures and torn lines are a typed error."""
    with pytest.raises(PermanentError, match="toolchain_garbled"):
        parse_predictions(text, [Path("/a")])


class FakeModel:
    """Finds one box in the middle of its input; takes two pictures at once."""

    input_size, batch_size, names, executed_by = (64, 64), 2, {0: "car"}, "CPU"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def raw(self, batch: np.ndarray) -> np.ndarray:
        return np.zeros((len(batch), 1, 6), np.float32)

    def infer(self, batch: np.ndarray) -> list[np.ndarray]:
        self.batches.append(len(batch))
        return [np.array([[16, 24, 48, 40, 0.9, 0]], np.float32) for _ in batch]


def test_boxes_come_back_in_pixels_of_the_picture(tmp_path: Path) -> None:
    """Pictures are letterboxed and run in batches, boxes scaled back."""
    cv2 = pytest.importorskip("cv2")
    pictures = [tmp_path / f"{i}.png" for i in range(3)]
    for picture in pictures:
        cv2.imwrite(
            str(picture), np.zeros((64, 128, 3), np.uint8)
        )  # twice as wide: scaled by a half, 16 rows of padding
    model = FakeModel()

    found = list(detect(model, pictures))

    assert model.batches == [2, 1]
    assert [f.boxes.tolist() for f in found] == [[[32, 16, 96, 48]]] * 3


def test_a_probe_that_is_no_picture_is_named(tmp_path: Path) -> None:
    """One clear line says which file."""
    (tmp_path / "a.jpg").write_bytes(b"text")

    with pytest.raises(PermanentError, match=r"a\.jpg.*probe_unreadable"):
        list(detect(FakeModel(), [tmp_path / "a.jpg"]))


async def test_an_artefact_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """A typed error, not a crash of the runtime."""
    (tmp_path / "m.onnx").write_bytes(b"junk")

    with pytest.raises(PermanentError, match="model_unreadable"):
        await OnnxRuntime(1).open(tmp_path / "m.onnx", [], THRESHOLDS)
