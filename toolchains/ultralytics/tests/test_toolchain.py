"""The whole child with torch: train, be killed, resume, validate, predict, export. Runs in the toolchain's environment."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from conftest import Start
from drawn import draw_dataset

pytestmark = [
    pytest.mark.toolchain,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
QUICK = {"optimizer": "AdamW", "lr0": 0.003, "mosaic": 0.0, "warmup_epochs": 0.0, "nbs": 8}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("drawn"), train=24)


def train_job(data: Path, workdir: Path, **changes: Any) -> dict[str, Any]:
    return {
        "operation": "train",
        "data": str(data),
        "workdir": str(workdir),
        "epochs": 2,
        "imgsz": 64,
        "batch": 8,
        "device": "cpu",
        "threads": 1,
        "overrides": QUICK,
        **changes,
    }


@pytest.fixture(scope="session")
def trained(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The lines of a short training from scratch."""
    from conftest import Child

    workdir = tmp_path_factory.mktemp("trained")
    child = Child(train_job(data, workdir), cache=cache)
    code, lines = child.finish()
    child.close()
    assert code == 0, lines
    return {"lines": lines, "result": lines[-1], "workdir": workdir}


def outcome(start: Start, job: dict[str, Any]) -> dict[str, Any]:
    code, lines = start(job).finish()
    assert code == (0 if lines[-1]["type"] == "result" else 1)
    return lines[-1]


def test_a_training_tells_its_progress_and_ends_with_a_verified_model(trained: dict[str, Any]) -> None:
    """Each epoch has a line with losses and metrics and a checkpoint; the result names a file with that hash."""
    lines, result = trained["lines"], trained["result"]
    epochs = [line for line in lines if line["type"] == "epoch"]
    checkpoints = [line for line in lines if line["type"] == "checkpoint"]
    progress = [line for line in lines if line["type"] == "progress"]

    assert [line["epoch"] for line in epochs] == [line["epoch"] for line in checkpoints] == [1, 2]
    assert epochs[0]["metrics"].keys() == {"precision", "recall", "map50", "map50_95"}
    assert epochs[0]["loss"].keys() == epochs[0]["val_loss"].keys() == {"box", "cls", "dfl"}
    assert (progress[0]["stage"], progress[0]["batch"], progress[0]["batches"]) == ("train", 1, 3)
    assert result["epochs"] == len(result["curves"]) == 2
    assert subprocess.check_output(["sha256sum", result["best"]], text=True).split()[0] == result["sha256"]


def test_a_finished_training_is_not_trained_again(start: Start, data: Path, trained: dict[str, Any]) -> None:
    """The same job on the same directory returns the recorded result."""
    code, lines = start(train_job(data, trained["workdir"])).finish()

    assert code == 0
    assert [line["type"] for line in lines] == ["result"]
    assert lines[0] == trained["result"]


def test_a_killed_training_goes_on(start: Start, data: Path, tmp_path: Path) -> None:
    """Kill -9 in the third epoch, a torn newest file on top: the second epoch is repeated, the curves have no gap."""
    job = train_job(data, tmp_path / "run", epochs=4)
    child = start(job)
    child.until("checkpoint", epoch=2)
    child.process.kill()
    child.process.wait()
    newest = tmp_path / "run" / "checkpoints" / "epoch-0002.pt"
    newest.write_bytes(newest.read_bytes()[:-1000])

    code, lines = start(job).finish()

    assert code == 0
    assert [line["epoch"] for line in lines if line["type"] == "epoch"] == [2, 3, 4]
    assert [entry["epoch"] for entry in lines[-1]["curves"]] == [1, 2, 3, 4]


def test_a_home_may_have_any_name(start: Start, tmp_path: Path) -> None:
    """A path is no address: one with ? # % * and quotes is trained in, gone on in, and its model opened."""
    folder = tmp_path / "what? O'Brien's #1 100%20 [x] *é"
    folder.mkdir()
    job = train_job(draw_dataset(folder / "data", train=8), folder / "run")
    child = start(job)
    child.until("checkpoint", epoch=1)
    child.process.kill()

    result = outcome(start, job)

    assert result["type"] == "result", result
    described = outcome(start, {"operation": "describe", "checkpoint": result["best"]})
    assert described["type"] == "result", described


def test_a_training_killed_before_its_result_is_only_finished(
    start: Start, data: Path, tmp_path: Path
) -> None:
    """After the last checkpoint there is nothing to train: the next start strips it and answers."""
    job = train_job(data, tmp_path / "run", epochs=1)
    child = start(job)
    child.until("checkpoint", epoch=1)
    child.process.kill()
    child.process.wait()

    code, lines = start(job).finish()

    assert code == 0
    assert [line["type"] for line in lines] == ["result"]
    assert Path(lines[0]["best"]).is_file()


def test_sigterm_stops_at_once_and_resumably(start: Start, data: Path, tmp_path: Path) -> None:
    """One error line within two seconds, exit 1, and the checkpoint is there."""
    child = start(train_job(data, tmp_path / "run", epochs=500))
    child.until("checkpoint", epoch=1)
    began = time.monotonic()
    child.process.send_signal(signal.SIGTERM)
    code, lines = child.finish()

    assert time.monotonic() - began < 2
    assert (code, lines[-1]["code"], lines[-1]["transient"]) == (1, "interrupted", True)
    assert (tmp_path / "run" / "checkpoints" / "epoch-0001.json").is_file()


def test_the_child_dies_with_its_parent(start: Start, data: Path, tmp_path: Path) -> None:
    """The end of stdin ends the training."""
    child = start(train_job(data, tmp_path / "run", epochs=500))
    child.until("progress")
    assert child.process.stdin
    child.process.stdin.close()

    assert child.process.wait(timeout=2) == 1


def test_a_measurement_only_at_the_end(start: Start, data: Path, tmp_path: Path) -> None:
    """val_period 0 measures the last epoch and takes that one; epoch_pictures makes an epoch one batch of 24/3."""
    job = train_job(data, tmp_path / "run", overrides={**QUICK, "val_period": 0, "epoch_pictures": 8})

    code, lines = start(job).finish()

    result = lines[-1]
    assert code == 0
    assert {line["batches"] for line in lines if line["type"] == "progress"} == {1}
    assert [bool(entry["metrics"]) for entry in result["curves"]] == [False, True]
    assert result["best_epoch"] == 2


def test_weights_are_transferred(start: Start, data: Path, trained: dict[str, Any], tmp_path: Path) -> None:
    """A training from weights starts where they were: with hardly any step it measures what they measured."""
    still = {**QUICK, "lr0": 1e-9, "freeze": 23}
    best = trained["result"]["curves"][trained["result"]["best_epoch"] - 1]

    job = train_job(data, tmp_path / "run", epochs=1, weights=trained["result"]["best"], overrides=still)
    tuned = outcome(start, job)["curves"][0]

    assert tuned["val_loss"] == pytest.approx(best["val_loss"], rel=0.05)


def test_weights_of_another_architecture_are_refused(
    start: Start, data: Path, trained: dict[str, Any], tmp_path: Path
) -> None:
    """They would be left out without a word, and the training would start from scratch."""
    job = train_job(data, tmp_path / "run", weights=trained["result"]["best"], architecture="yolov8s")

    assert outcome(start, job)["code"] == "weights_mismatch"
    assert not (tmp_path / "run").exists()


def test_validate_measures_and_records_every_box(
    start: Start, data: Path, trained: dict[str, Any], tmp_path: Path
) -> None:
    """Metrics per class, and one line per picture with boxes in its own pixels."""
    job = {
        "operation": "validate",
        "checkpoint": trained["result"]["best"],
        "data": str(data),
        "imgsz": 64,
        "detections": str(tmp_path / "boxes.jsonl"),
    }

    metrics = outcome(start, job)["metrics"]

    lines = [json.loads(line) for line in (tmp_path / "boxes.jsonl").read_text().splitlines()]
    assert metrics["per_class"].keys() == {"square", "disc"}
    assert 0 <= metrics["map50_95"] <= metrics["map50"] <= 1
    assert [Path(line["image"]).name for line in lines] == ["0.png", "1.png", "2.png", "3.png"]
    assert {(line["width"], line["height"]) for line in lines} == {(96, 96)}
    assert max(box[2] for line in lines for box in line["boxes"]) > 64


def test_the_onnx_export_matches_the_checkpoint(
    start: Start, data: Path, trained: dict[str, Any], tmp_path: Path
) -> None:
    """The boxes of the ONNX file, NMS inside, are those of predict; its metadata says what it is."""
    import cv2
    import numpy as np
    import onnxruntime

    picture = data.parent / "images" / "test" / "0.png"
    common = {
        "checkpoint": trained["result"]["best"],
        "imgsz": 96,
        "confidence": 0.001,
        "iou": 1.0,
        "max_detections": 20,
    }
    predicted = outcome(
        start,
        {"operation": "predict", **common, "images": [str(picture)], "output": str(tmp_path / "p.jsonl")},
    )
    said = {"properties": {"thresholds": "{0: 0.31}"}}
    exported = outcome(
        start, {"operation": "export", "format": "onnx", **common, **said, "output": str(tmp_path / "m.onnx")}
    )

    session = onnxruntime.InferenceSession(exported["output"], providers=["CPUExecutionProvider"])
    pixels = cv2.imread(str(picture))[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
    (found,) = session.run(None, {"images": np.ascontiguousarray(pixels)})
    found[..., :4] = found[..., :4].clip(0, 96)  # predict clips its boxes to the picture, the graph does not
    expected = np.array(json.loads(Path(predicted["output"]).read_text())["boxes"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert len(expected) == 20
    assert np.abs(found[0][: len(expected)] - expected).max() < 0.05
    assert (metadata["names"], metadata["imgsz"]) == ("{0: 'square', 1: 'disc'}", "[96, 96]")
    assert metadata["thresholds"] == "{0: 0.31}"
    assert str(data.parent) not in str(metadata)
    assert exported["size_bytes"] == (tmp_path / "m.onnx").stat().st_size
    assert exported["opset"] >= 17
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "p.jsonl"]


def test_torchscript_can_be_exported(start: Start, trained: dict[str, Any], tmp_path: Path) -> None:
    """The second format, without NMS."""
    job = {
        "operation": "export",
        "checkpoint": trained["result"]["best"],
        "format": "torchscript",
        "imgsz": 64,
    }

    result = outcome(start, {**job, "nms": False, "output": str(tmp_path / "m.torchscript")})

    assert (result["opset"], Path(result["output"]).is_file()) == (None, True)


def test_a_training_is_probed_before_it_is_begun(start: Start) -> None:
    """What it would run on, and how fast: measured, on the CPU as here is no GPU."""
    job = {"operation": "probe", "imgsz": 640, "imgsz_on_cpu": 64, "batch": 2, "threads": 1, "device": "cpu"}

    result = outcome(start, job)

    assert result["hardware"]["device"] == "cpu"
    assert result["hardware"]["threads"] == 1
    assert result["imgsz"] == 64
    assert result["pictures_per_second"] > 0


def test_settings_are_checked_without_torch(start: Start) -> None:
    """All that there are, with what they take, and what is wrong with these."""
    result = outcome(start, {"operation": "check", "overrides": {"lr0": 2, "foo": 3, "mosaic": 0}})

    assert result["problems"].keys() == {"lr0", "foo"}
    assert result["settings"]["cos_lr"] == "true or false"
    assert "yolo11n" in result["architectures"]


def test_describe(start: Start, trained: dict[str, Any]) -> None:
    """A checkpoint says its classes, size, architecture and number of parameters."""
    described = outcome(start, {"operation": "describe", "checkpoint": trained["result"]["best"]})

    assert described["names"] == {"0": "square", "1": "disc"}
    assert (described["imgsz"], described["architecture"]) == (64, "yolo11n")
    assert described["parameters"] > 2_000_000


@pytest.mark.parametrize("damage", ["truncated", "missing", "pickle"])
def test_a_bad_checkpoint_is_one_clear_line(
    start: Start, trained: dict[str, Any], tmp_path: Path, damage: str
) -> None:
    """Cut off, absent, or code in disguise: checkpoint_unreadable, and the code did not run."""
    path = tmp_path / "model.pt"
    if damage == "truncated":
        path.write_bytes(Path(trained["result"]["best"]).read_bytes()[:200_000])
    elif damage == "pickle":
        path.write_bytes(b"cposix\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")

    error = outcome(start, {"operation": "describe", "checkpoint": str(path)})

    assert error["code"] == "checkpoint_unreadable"
    assert "\n" not in error["message"]
    assert not (tmp_path / "ran").exists()


def test_a_picture_that_cannot_be_read_is_named(
    start: Start, trained: dict[str, Any], tmp_path: Path
) -> None:
    """Predict says which file it was and leaves no output."""
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    job = {
        "operation": "predict",
        "checkpoint": trained["result"]["best"],
        "images": [str(tmp_path / "torn.jpg")],
    }

    error = outcome(start, {**job, "output": str(tmp_path / "out.jsonl")})

    assert error["code"] == "image_unreadable"
    assert "torn.jpg" in error["message"]
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("labels", ["missing", "empty"])
def test_pictures_without_labels_are_refused(start: Start, data: Path, tmp_path: Path, labels: str) -> None:
    """A network cannot learn from nothing, and ultralytics would try."""
    shutil.copytree(data.parent, tmp_path / "data", ignore=shutil.ignore_patterns("*.txt", "*.cache"))
    if labels == "empty":
        for picture in (tmp_path / "data" / "images").rglob("*.png"):
            label = tmp_path / "data" / "labels" / picture.parent.name / f"{picture.stem}.txt"
            label.touch()

    error = outcome(start, train_job(tmp_path / "data" / "data.yaml", tmp_path / "run"))

    assert error["code"] == "dataset_unreadable"


def test_a_setting_of_the_wrong_type_is_refused(start: Start, data: Path, tmp_path: Path) -> None:
    """What ultralytics says about a value reaches the parent as bad_job."""
    assert outcome(start, train_job(data, tmp_path / "run", overrides={"lr0": "fast"}))["code"] == "bad_job"


def test_an_exploding_training_says_so(start: Start, data: Path, tmp_path: Path) -> None:
    """A loss that overflows ends in diverged, not in a model of NaN."""
    wild = {**QUICK, "cls": 1e38}

    assert outcome(start, train_job(data, tmp_path / "run", overrides=wild))["code"] == "diverged"


AUDIT = """
import sys
def log(event, args):
    # From Python 3.13 on, subprocess tells of both.
    if event in ("subprocess.Popen", "os.posix_spawn") and args[0] in ("/sbin/ldconfig", "fc-list"):
        return  # how ctypes looks for libraries, and matplotlib, the first time, for fonts
    if event.startswith(("socket.", "urllib.", "http.", "subprocess.", "os.system", "os.posix_spawn")):
        with open(sys.argv[1], "a") as file:
            print(event, args, file=file)
sys.addaudithook(log)
import runpy
runpy.run_module("azaion_ultralytics", run_name="__main__", alter_sys=False)
"""


def test_a_training_does_not_touch_the_network(start: Start, data: Path, tmp_path: Path) -> None:
    """No socket, no name lookup, no subprocess but lists of libraries and fonts from start to end, export included."""
    events = tmp_path / "events.txt"
    command = [sys.executable, "-c", AUDIT, str(events)]

    code, lines = start(train_job(data, tmp_path / "run", epochs=1), command=command).finish()
    export = {"operation": "export", "checkpoint": lines[-1]["best"], "format": "onnx", "imgsz": 64}
    export_code, _ = start({**export, "output": str(tmp_path / "m.onnx")}, command=command).finish()

    assert (code, export_code) == (0, 0)
    assert not events.exists(), events.read_text()
