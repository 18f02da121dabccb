"""The wire format, without torch."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from azaion_ultralytics.errors import ToolchainError, classify
from azaion_ultralytics.protocol import Channel, ExportJob, PredictJob, TrainJob, parse_job

TRAIN = {"operation": "train", "data": "/d/data.yaml", "workdir": "/w", "epochs": 2}
PREDICT = {"operation": "predict", "checkpoint": "/m.pt", "images": ["/a.jpg"], "output": "/o.jsonl"}


def parse(fields: Any) -> Any:
    return parse_job(json.dumps(fields).encode())


def lines_of(reading: int, writing: int) -> list[dict[str, Any]]:
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        return [json.loads(line) for line in file]


def test_a_train_job_is_read_with_its_defaults() -> None:
    """The keys that a parent leaves out get the documented defaults."""
    job = parse({**TRAIN, "overrides": {"lr0": 0.01}})

    assert job == TrainJob(data=Path("/d/data.yaml"), workdir=Path("/w"), epochs=2, overrides={"lr0": 0.01})
    assert (job.architecture, job.weights, job.threads) == ("yolo11n", None, None)


def test_whole_numbers_are_accepted_where_fractions_are_meant() -> None:
    """JSON writers print 1.0 as 1."""
    assert parse({**PREDICT, "confidence": 1}) == PredictJob(
        checkpoint=Path("/m.pt"), images=[Path("/a.jpg")], output=Path("/o.jsonl"), confidence=1
    )


def test_null_stands_for_an_optional_path() -> None:
    """A parent may name every key and leave the optional ones null."""
    assert parse({**TRAIN, "weights": None, "threads": None}).weights is None


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ([], "not a JSON object"),
        ({**TRAIN, "operation": "fly"}, "operation must be one of"),
        ({"operation": "train"}, "missing keys: data, epochs, workdir"),
        ({**TRAIN, "colour": 1, "augment": 2}, "unknown keys: augment, colour"),
        ({**TRAIN, "data": "data.yaml"}, "data must be an absolute path"),
        ({**TRAIN, "epochs": 2.5}, "epochs must be int"),
        ({**TRAIN, "epochs": True}, "epochs must be int"),
        ({**TRAIN, "epochs": 0}, "epochs must be at least 1"),
        ({**TRAIN, "threads": 0}, "threads must be at least 1"),
        ({**TRAIN, "device": "gpu"}, "device must be cpu, auto"),
        ({**PREDICT, "images": "/a.jpg"}, "images must be"),
        ({**PREDICT, "images": ["a.jpg"]}, "images must be an absolute path"),
        ({**PREDICT, "confidence": 1.5}, "confidence must be between 0 and 1"),
        ({"operation": "export", "checkpoint": "/m.pt", "format": "rknn", "output": "/o"}, "format must be"),
    ],
)
def test_a_wrong_job_is_refused_with_a_reason(fields: Any, complaint: str) -> None:
    """Whatever does not fit ends in bad_job and one line that says what."""
    with pytest.raises(ToolchainError, match=complaint) as caught:
        parse(fields)

    assert caught.value.code == "bad_job"


def test_what_is_not_json_is_a_bad_job() -> None:
    """Garbage on stdin is an answer, not a traceback."""
    with pytest.raises(ToolchainError, match="not JSON"):
        parse_job(b"train please")


def test_export_knows_the_three_formats() -> None:
    """ONNX, TorchScript and OpenVINO are one operation."""
    formats = [
        parse({"operation": "export", "checkpoint": "/m.pt", "format": name, "output": "/o"})
        for name in ("onnx", "torchscript", "openvino")
    ]

    assert all(isinstance(job, ExportJob) for job in formats)


def test_a_nan_leaves_as_null() -> None:
    """JSON has no NaN: a parent's strict parser must not fail on a diverging loss."""
    reading, writing = os.pipe()

    Channel(writing).emit("epoch", loss={"box": float("nan")}, curve=[float("inf"), 1.5])

    assert lines_of(reading, writing) == [{"type": "epoch", "loss": {"box": None}, "curve": [None, 1.5]}]


def test_progress_is_throttled_and_results_are_not() -> None:
    """A thousand batches a second are a handful of lines; other lines always pass."""
    reading, writing = os.pipe()
    channel = Channel(writing)

    for batch in range(1000):
        channel.progress("train", batch=batch)
    channel.emit("result")

    lines = lines_of(reading, writing)
    assert len(lines) < 100
    assert lines[0]["batch"] == 0
    assert lines[-1] == {"type": "result"}


def test_nothing_follows_the_last_words() -> None:
    """After the error line no other thread can add one: a writer waits forever."""
    reading, writing = os.pipe()
    channel = Channel(writing)

    channel.last_words(ToolchainError("interrupted", "stopped", transient=True))
    channel.last_words(ToolchainError("internal", "again"), timeout_s=0)

    assert lines_of(reading, writing) == [
        {"type": "error", "code": "interrupted", "message": "stopped", "transient": True}
    ]


@pytest.mark.parametrize(
    ("error", "code", "transient"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "disk_full", True),
        (MemoryError(), "out_of_memory", True),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "out_of_memory", True),
        (RuntimeError("DefaultCPUAllocator: not enough memory"), "out_of_memory", True),
        (RuntimeError("Training failed: NaN persisted for 4 epochs"), "diverged", False),
        (ValueError("\x1b[34mtrain: \x1b[0mNo labels found in x.cache"), "dataset_unreadable", False),
        (ToolchainError("dataset_unreadable", "no pictures"), "dataset_unreadable", False),
        (KeyError("x"), "internal", False),
    ],
)
def test_every_exception_has_a_code(error: Exception, code: str, transient: bool) -> None:  # noqa: FBT001
    """Full disks and memory are worth another try, the rest is not; the message is one line."""
    classified = classify(error)

    assert (classified.code, classified.transient) == (code, transient)
    assert classified.message.isprintable()
