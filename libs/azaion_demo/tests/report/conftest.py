"""A finished loop in small: a home with blobs, a catalogue, a video and detections, and the outcome that refers to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import (
    BatchAugmented,
    BlobRef,
    Box,
    ClassMetrics,
    DatasetFormed,
    EpochMetrics,
    ImageQuarantined,
    ImageSaved,
    Lineage,
    Metrics,
    ModelExported,
    ModelPublished,
    ModelTrained,
    PackagePart,
    Parity,
    SideCounts,
    TrainingStarted,
    Variant,
)
from azaion_common.contracts.events.models import Hardware
from azaion_common.platform.storage.files import FileBlobStore
from azaion_demo.loop_state import LoopState
from azaion_demo.run import Outcome
from azaion_demo.workspace import Material

SHA = "ab" * 32
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SIDES = ("train", "train", "train", "train", "valid", "test")


@dataclass(frozen=True)
class Story:
    """What a made-up loop was like."""

    classes: tuple[str, ...] = ("car", "truck")
    conditions: tuple[str, ...] = ("Norm", "Wint")
    names: tuple[str, ...] = tuple(f"place-{number:04d}-00" for number in range(6))
    quarantined: tuple[tuple[str, str], ...] = ()
    epochs: int = 5
    detections_per_frame: int = 2
    folder_source: bool = False
    truth: bool = True
    video_padding_bytes: int = 0


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Outcome]:
    """Builds, in a home of its own, the outcome of a story told by the fields of ``Story``."""

    def outcome(**fields: Any) -> Outcome:
        return _outcome(tmp_path / "home", Story(**fields))

    return outcome


def _outcome(home: Path, story: Story) -> Outcome:
    catalogue = Catalogue.from_names(story.classes)
    store = FileBlobStore.open(home / "blobs")
    catalogue.dump(home / "catalogue.yaml")
    results = home / "results"
    results.mkdir()
    _write_video(results / "annotated.mp4", story.video_padding_bytes)
    _write_detections(results / "detections.jsonl", story)
    material = Material(
        home / "pictures",
        None if story.folder_source else results / "annotated.mp4",
        _write_truth(home / "clip.jsonl") if story.truth else None,
        drawn=story.truth,
    )
    state = LoopState()
    for index, name in enumerate(story.names):
        state.saved[name], state.augmented[name] = _picture(store, catalogue, story, name, index)
    state.quarantined = [_quarantined(name, message) for name, message in story.quarantined]
    _finish(state, store, story)
    inference = {
        "frames": {"read": 24, "inferred": 6, "with_detections": 6 if story.detections_per_frame else 0}
    }
    seconds = {"draw": 3.2, "ingest": 1.0, "augment": 12.5, "train": 245.0, "infer": 4.0, "total": 270.4}
    return Outcome(
        home, material, state, inference, results / "annotated.mp4", results / "detections.jsonl", seconds
    )


def _put(store: FileBlobStore, data: bytes, media_type: str) -> BlobRef:
    (reference,) = store._put_group([(data, media_type)])
    return reference


def _picture(
    store: FileBlobStore, catalogue: Catalogue, story: Story, name: str, index: int
) -> tuple[ImageSaved, BatchAugmented]:
    condition = story.conditions[index % len(story.conditions)]
    boxes = tuple(
        Box(
            class_id=number % len(story.classes),
            condition=condition,
            cx=0.3 + 0.1 * number,
            cy=0.5,
            w=0.1,
            h=0.2,
        )
        for number in range(3)
    )
    text = "".join(
        f"{catalogue.slot(box.class_id, condition)} {box.cx:.6f} {box.cy:.6f} {box.w:.6f} {box.h:.6f}\n"
        for box in boxes
    )
    labels = _put(store, text.encode(), "text/plain")
    copies = [name, *(f"{name}_{number}" for number in range(1, 8))]
    images = [_put(store, _jpeg(number), "image/jpeg") for number in range(len(copies))]
    variants = tuple(
        Variant(name=copy, image=image, labels=labels, boxes=3)
        for copy, image in zip(copies, images, strict=True)
    )
    saved = ImageSaved(
        name=name, revision=1, image=images[0], width=96, height=64, boxes=boxes, validated=True,
        dhash="0" * 16, created_at=WHEN,
    )  # fmt: skip
    return saved, BatchAugmented(
        name=name, revision=1, source_sha256=SHA, recipe_sha256=SHA, seed=0, variants=variants
    )


def _jpeg(seed: int) -> bytes:
    image = np.random.default_rng(seed).integers(0, 255, (64, 96, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", image)[1].tobytes())


def _quarantined(name: str, message: str) -> ImageQuarantined:
    return ImageQuarantined(
        name=name,
        reason="picture_truncated",
        message=message,
        raw_sha256=SHA,
        stream="azaion-annotations",
        offset=0,
    )


def _finish(state: LoopState, store: FileBlobStore, story: Story) -> None:
    sides = {side: SIDES.count(side) for side in ("train", "valid", "test")}
    dataset_id = _manifest(store, story)
    state.dataset = DatasetFormed(
        dataset_id=dataset_id.sha256,
        manifest=dataset_id,
        certificate=_certificate(store, dataset_id.sha256, sides),
        counts=SideCounts(**sides, train_files=32, groups=6),
        class_names=story.classes,
    )
    state.training = TrainingStarted(
        run_id=SHA, dataset_id=dataset_id.sha256, epochs=max(story.epochs, 1), imgsz=320, batch=16
    )
    state.trained = _trained(story, dataset_id.sha256)
    state.exported = ModelExported(
        model_id="0123456789abcdef", target="onnx", imgsz=320, batch=1, artifact=_reference(10_000_000),
        parity=Parity(
            pictures=16, expected=143, matched=143, unexpected=0, min_iou=0.99991, mean_iou=0.99999,
            max_score_difference=0.00002, passed=True,
        ),
        class_names=story.classes, class_colours=("#e6194b",) * len(story.classes),
    )  # fmt: skip
    state.published = ModelPublished(
        model_id="0123456789abcdef", target="onnx", release=1, imgsz=320, batch=1, class_names=story.classes,
        class_colours=("#e6194b",) * len(story.classes), package_id="cd" * 16, package_sha256=SHA,
        package_size_bytes=10_003_000, plaintext_sha256=SHA, header_sha256=SHA, wrapped_key=b"key",
        small=PackagePart(sha256=SHA, size_bytes=3000, location="models/0123456789abcdef.small"),
        big=PackagePart(sha256=SHA, size_bytes=10_000_000, location=SHA),
    )  # fmt: skip


def _reference(size_bytes: int) -> BlobRef:
    return BlobRef(sha256=SHA, size_bytes=size_bytes, media_type="application/octet-stream")


def _manifest(store: FileBlobStore, story: Story) -> BlobRef:
    pictures = [
        {"name": name, "side": side, "group": name, "files": []}
        for name, side in zip(story.names, SIDES, strict=False)
    ]
    return _put(store, json.dumps({"version": 1, "pictures": pictures}).encode(), "application/json")


def _certificate(store: FileBlobStore, dataset_id: str, sides: dict[str, int]) -> BlobRef:
    content = {
        "version": 1, "dataset_id": dataset_id, "split_key_sha256": SHA, "shares": {"train": 0.7, "valid": 0.2, "test": 0.1},
        "gap_s": 10.0, "hash_distance": 12, "pictures": sides, "groups": sides, "closest_across_sides": 17,
        "checks": [{"name": "bytes_on_one_side", "statement": "no image is on two sides", "examined": 34}],
        "left_out": [],
    }  # fmt: skip
    return _put(store, json.dumps(content).encode(), "application/json")


def _trained(story: Story, dataset_id: str) -> ModelTrained:
    figures = {
        name: ClassMetrics(map50=0.9 - 0.5 * index / len(story.classes), map50_95=0.4, objects=100 - index)
        for index, name in enumerate(story.classes)
    }
    per_condition = {name: ClassMetrics(map50=0.8, map50_95=0.5, objects=40) for name in story.conditions}
    return ModelTrained(
        model_id="0123456789abcdef", checkpoint=_reference(5_000_000), architecture="yolo11n", imgsz=320,
        class_names=story.classes, class_colours=("#e6194b",) * len(story.classes),
        metrics=Metrics(
            map50=0.834, map50_95=0.512, per_class=figures, per_condition=per_condition, pictures=12,
            evaluator="azaion-evaluation 1",
        ),
        lineage=Lineage(
            dataset_id=dataset_id, job_sha256=SHA, stream_offsets={"azaion.images": 6}, base_weights_sha256=None,
            parent_model_id=None, toolchain={"name": "ultralytics", "torch": "2.0"},
        ),
        curves=tuple(_epoch(number, story.epochs) for number in range(1, story.epochs + 1)),
        train_seconds=245.0, probe_images=(),
        hardware=Hardware(device="0", name="NVIDIA Test", threads=16),
    )  # fmt: skip


def _epoch(number: int, epochs: int) -> EpochMetrics:
    loss = dict.fromkeys(("box", "cls", "dfl", "val_box", "val_cls", "val_dfl"), 3.0 / number)
    accuracy = {"map50": 0.8 * number / epochs, "map50_95": 0.5 * number / epochs}
    return EpochMetrics(epoch=number, epochs=epochs, metrics=accuracy, loss=loss, seconds=4.0)


def _write_video(path: Path, padding_bytes: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=Fraction(12))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(24):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), number * 10, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + padding_bytes)


def _write_detections(path: Path, story: Story) -> None:
    lines = []
    for number in range(0, 24, 4):
        found = [
            {
                "class": story.classes[0],
                "class_id": 0,
                "confidence": 0.9,
                "box": [10 + 30 * index, 10, 30 + 30 * index, 30],
            }
            for index in range(story.detections_per_frame)
        ]
        image = {"image": f"{story.names[0]}.jpg"} if story.folder_source else {}
        lines.append(
            json.dumps(
                {"frame": number, "time_s": number / 12, **image, "model_id": "m", "detections": found}
            )
        )
    path.write_text("".join(f"{line}\n" for line in lines))


def _write_truth(path: Path) -> Path:
    lines = [json.dumps({"frame": number, "boxes": [[10, 10, 30, 30, 0]]}) for number in range(24)]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path
