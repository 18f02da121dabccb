"""Dataset folders and the toolchain's lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from azaion_common.contracts.events import EpochMetrics
from azaion_common.contracts.events.models import Hardware
from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.toolchain import Toolchain
from azaion_trainer.adapters import dataset_folder
from azaion_trainer.adapters.dataset_folder import HardLinkedFolders, verify_folder
from azaion_trainer.adapters.ultralytics import UltralyticsTraining, epoch_metrics, read_detections
from azaion_trainer.certificate import certify
from azaion_trainer.dataset import Formation
from azaion_trainer.parameters import TrainingParameters, TrainingWishes

pytestmark = pytest.mark.slow

Call = Callable[..., Any]
CPU = Hardware(device="cpu", name="Testor 9000", threads=2)
NAMES = [f"p{number:02}" for number in range(20)]


@pytest.fixture
async def folder(platform: Platform, store_blobs: Call, form: Callable[..., Formation]) -> Path:
    """A dataset of 20 pictures, on disk."""
    await store_blobs(NAMES)
    manifest = form(20).manifest
    return await HardLinkedFolders(platform.home / "datasets", platform.blobs).ensure(
        manifest, certify(manifest)
    )


def files(folder: Path, kind: str, side: str) -> list[Path]:
    return sorted((folder / kind / side).iterdir())


async def test_a_folder_holds_links_labels_and_a_description(folder: Path, platform: Platform) -> None:
    """Images share their bytes with the blobs, each has its labels, and data.yaml names sides and classes."""
    train, test = files(folder, "images", "train"), files(folder, "images", "test")

    assert len(train) % 3 == 0
    assert all("+" not in path.name for path in test)
    blobs = {path.stat().st_ino for path in (platform.home / "blobs").rglob("*") if path.is_file()}
    assert {path.stat().st_ino for path in train} <= blobs
    for side in ("train", "valid", "test"):
        stems = [path.stem for path in files(folder, "images", side)]
        assert stems == [path.stem for path in files(folder, "labels", side)]
    assert files(folder, "labels", "test")[0].read_text().splitlines()[1].startswith("1 0.200000 ")
    assert yaml.safe_load((folder / "data.yaml").read_text()) == {
        "train": "images/train",
        "val": "images/valid",
        "test": "images/test",
        "names": {0: "car", 1: "truck"},
    }


async def test_a_folder_is_built_once_and_again_when_it_is_gone(
    folder: Path, platform: Platform, form: Callable[..., Formation]
) -> None:
    """It is a view: the same manifest makes the same folder."""
    folders, manifest = HardLinkedFolders(folder.parent, platform.blobs), form(20).manifest
    marker = folder / "marker"
    marker.touch()

    assert await folders.ensure(manifest, certify(manifest)) == folder
    assert marker.exists()


async def test_a_missing_blob_leaves_no_half_dataset(
    platform: Platform, store_blobs: Call, form: Callable[..., Formation]
) -> None:
    """One clear error, and nothing under datasets/."""
    await store_blobs(NAMES[:-1])
    folders, manifest = HardLinkedFolders(platform.home / "datasets", platform.blobs), form(20).manifest

    with pytest.raises(PermanentError) as caught:
        await folders.ensure(manifest, certify(manifest))

    assert caught.value.code == "blob_missing"
    assert list((platform.home / "datasets").iterdir()) == []


async def test_labels_that_need_no_change_are_links(
    platform: Platform, store_blobs: Call, form: Callable[..., Formation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where class ids are the slots, a dataset takes no room for labels: a block for each of eight copies is much."""
    await store_blobs(NAMES)
    manifest = form(20).manifest
    monkeypatch.setattr(dataset_folder, "map_labels", lambda text, _class_of_slot: text)

    folder = await HardLinkedFolders(platform.home / "datasets", platform.blobs).ensure(
        manifest, certify(manifest)
    )

    assert {path.stat().st_nlink > 1 for path in files(folder, "labels", "train")} == {True}


async def test_folders_of_replaced_datasets_go(
    platform: Platform, store_blobs: Call, form: Callable[..., Formation]
) -> None:
    """Of many datasets, the folders that were asked for last stay; one that is gone comes back when it is asked for."""
    await store_blobs(NAMES)
    folders = HardLinkedFolders(platform.home / "datasets", platform.blobs, keep=2)
    first, second, third = (form(count).manifest for count in (18, 19, 20))

    made = [await folders.ensure(each, certify(each)) for each in (first, second, first, third, first)]

    assert {path.name for path in (platform.home / "datasets").iterdir()} == {made[0].name, made[3].name}
    assert (await folders.ensure(second, certify(second))).is_dir()
    verify_folder(made[1])


async def test_leftovers_of_a_killed_build_are_swept(
    platform: Platform, store_blobs: Call, form: Callable[..., Formation]
) -> None:
    """The next build removes them."""
    leftover = platform.home / "datasets" / ".dead.building"
    leftover.mkdir(parents=True)
    await store_blobs(NAMES)
    manifest = form(20).manifest

    await HardLinkedFolders(platform.home / "datasets", platform.blobs).ensure(manifest, certify(manifest))

    assert not leftover.exists()


def alter_image(folder: Path) -> None:
    path = files(folder, "images", "test")[0]
    path.unlink()
    path.write_bytes(b"other")


def add_image(folder: Path) -> None:
    (folder / "images" / "test" / "more.jpg").write_bytes(b"x")


def remove_image(folder: Path) -> None:
    files(folder, "images", "train")[0].unlink()


def remove_certificate(folder: Path) -> None:
    (folder / "certificate.json").unlink()


def edit_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"revision":1', '"revision":2', 1))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (alter_image, "dataset_altered"),
        (add_image, "dataset_altered"),
        (remove_image, "dataset_altered"),
        (remove_certificate, "dataset_leaks"),
        (edit_manifest, "dataset_leaks"),
    ],
)
async def test_verification_finds_what_was_changed(
    folder: Path, change: Callable[[Path], None], code: str
) -> None:
    """An image, a file too many or too few, a missing proof, another manifest."""
    verify_folder(folder)
    change(folder)

    with pytest.raises(PermanentError) as caught:
        verify_folder(folder)

    assert caught.value.code == code


def test_an_epoch_without_measurement_has_no_metrics_and_nan_is_left_out() -> None:
    """JSON null stands for both; losses of the two sides keep apart."""
    line = {
        "epoch": 2,
        "metrics": None,
        "loss": {"box": 1.5, "cls": None},
        "val_loss": {"box": 2.0},
        "seconds": 3.5,
    }

    point = epoch_metrics(line, 9)

    assert point == EpochMetrics(
        epoch=2, epochs=9, metrics={}, loss={"box": 1.5, "val_box": 2.0}, seconds=3.5
    )


def test_detections_come_in_the_order_of_the_pictures(tmp_path: Path) -> None:
    """Whatever order the lines have; a picture without a line is an error, one without boxes is not."""
    path = tmp_path / "out.jsonl"
    lines = [
        {"image": "/b.jpg", "width": 20, "height": 10, "boxes": []},
        {"image": "/a.jpg", "width": 30, "height": 40, "boxes": [[1, 2, 3, 4, 0.5, 7]]},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    first, second = read_detections(path, [Path("/a.jpg"), Path("/b.jpg")])

    assert (first.width, first.found.boxes.tolist(), first.found.classes.tolist()) == (
        30,
        [[1, 2, 3, 4]],
        [7],
    )
    assert second.found.boxes.shape == (0, 4)
    with pytest.raises(PermanentError, match="no line for 1 of 1 pictures"):
        read_detections(path, [Path("/c.jpg")])


FAKE_CHILD = """
import json, sys
job = json.loads(sys.stdin.readline())
print(json.dumps({"type": "progress", "stage": "train", "epoch": 1, "epochs": 1, "batch": 1, "batches": 2}))
print(json.dumps({"type": "epoch", "epoch": 1, "epochs": 1, "metrics": {"map50": 0.5}, "loss": {}, "seconds": 1}))
print(json.dumps({"type": "result", "best": "/best.pt", "curves": [{"epoch": 1}], "train_seconds": 2,
                  "ultralytics": "9", "torch": "8", "job": job,
                  "hardware": {"device": "cpu", "name": "Testor 9000", "threads": 2}}))
"""
FAKE_PROBE = """
import json, sys
job = json.loads(sys.stdin.readline())
print(json.dumps({"type": "result", "hardware": {"device": "cpu", "name": "Testor 9000", "threads": 2},
                  "imgsz": job["imgsz_on_cpu"], "pictures_per_second": 7.5}))
"""


async def test_a_training_speaks_the_protocol_of_the_child(tmp_path: Path) -> None:
    """The job has exactly the keys that the toolchain knows; epochs are told as they come."""
    script = tmp_path / "child.py"
    script.write_text(FAKE_CHILD + f"open({str(tmp_path / 'job.json')!r}, 'w').write(json.dumps(job))\n")
    told: list[EpochMetrics] = []

    async def on_epoch(point: EpochMetrics) -> None:
        told.append(point)

    parameters = TrainingParameters(
        epochs=1, imgsz=64, batch=2, architecture="yolo11n", weights=Path("/w.pt")
    )
    training = UltralyticsTraining(Toolchain([sys.executable, str(script)]), niceness=10)
    trained = await training.train(Path("/data.yaml"), tmp_path, parameters, on_epoch)

    assert [point.metrics for point in told] == [{"map50": 0.5}]
    assert (trained.path, trained.versions) == (
        Path("/best.pt"),
        {"name": "ultralytics", "ultralytics": "9", "torch": "8"},
    )
    assert json.loads((tmp_path / "job.json").read_text()) == {
        "operation": "train", "data": "/data.yaml", "workdir": str(tmp_path), "weights": "/w.pt",
        "architecture": "yolo11n", "epochs": 1, "imgsz": 64, "batch": 2, "device": "auto", "seed": 0,
        "threads": None, "overrides": {}, "niceness": 10,
    }  # fmt: skip
    assert trained.hardware == CPU


async def test_a_training_is_probed_before_it_is_begun(tmp_path: Path) -> None:
    """Sizes for either kind of machine go out, what it is and how fast it is come back."""
    script = tmp_path / "child.py"
    script.write_text(FAKE_PROBE + f"open({str(tmp_path / 'job.json')!r}, 'w').write(json.dumps(job))\n")
    wishes = TrainingWishes(batch=2, architecture="yolo11s", overrides={"lr0": 0.1})

    prospect = await UltralyticsTraining(Toolchain([sys.executable, str(script)])).probe(wishes)

    assert (prospect.hardware, prospect.imgsz, prospect.pictures_per_second) == (CPU, 320, 7.5)
    assert json.loads((tmp_path / "job.json").read_text()) == {
        "operation": "probe", "imgsz": 640, "imgsz_on_cpu": 320, "batch": 2, "architecture": "yolo11s",
        "device": "auto", "threads": None, "overrides": {"lr0": 0.1},
    }  # fmt: skip
