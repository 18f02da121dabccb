"""The wire format: jobs in, JSON lines out. Imports nothing heavy, so a bad job is refused in milliseconds.

A job is one JSON object in one line; its ``operation`` says which dataclass below it must fit. Keys that are not in
the dataclass, missing keys and wrong types are refused with the code ``bad_job``.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import threading
import time
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from azaion_ultralytics.errors import ToolchainError

PROGRESS_INTERVAL_S = 0.25


def bad_job(message: str) -> ToolchainError:
    return ToolchainError("bad_job", message)


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """Train a detector, or go on with the training that ``workdir`` holds.

    ``weights`` are transferred into ``architecture``; None trains from scratch. ``overrides`` are ultralytics'
    training settings (`settings.SETTINGS` lists them). ``threads`` None means every core this process may use;
    ``niceness`` (0 to 19) lets everything else on the machine go first.
    """

    data: Path
    workdir: Path
    epochs: int
    weights: Path | None = None
    architecture: str = "yolo11n"
    imgsz: int = 640
    batch: int = 16
    device: str = "auto"
    seed: int = 0
    threads: int | None = None
    niceness: int = 0
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ProbeJob:
    """Say what a training would run on and how fast, before it is begun. ``imgsz`` is for a GPU."""

    architecture: str = "yolo11n"
    imgsz: int = 640
    imgsz_on_cpu: int = 640
    batch: int = 16
    device: str = "auto"
    threads: int | None = None
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CheckJob:
    """Say which settings there are, and what is wrong with these."""

    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ValidateJob:
    """Measure a checkpoint on one side of a dataset; ``detections`` names a file for every box it found."""

    checkpoint: Path
    data: Path
    split: Literal["train", "val", "test"] = "test"
    imgsz: int = 640
    batch: int = 16
    device: str = "auto"
    detections: Path | None = None


@dataclass(frozen=True, kw_only=True)
class PredictJob:
    """Box the objects of pictures, letterboxed to a square as a fixed-shape export would see them."""

    checkpoint: Path
    images: list[Path]
    output: Path
    imgsz: int = 640
    confidence: float = 0.25
    iou: float = 0.7
    max_detections: int = 300
    device: str = "auto"


@dataclass(frozen=True, kw_only=True)
class ExportJob:
    """Write a checkpoint in another format; with ``nms`` its output is final boxes at ``confidence`` and ``iou``.

    ``properties`` are texts that the file carries beside ultralytics' own metadata.
    """

    checkpoint: Path
    format: Literal["onnx", "torchscript", "openvino"]
    output: Path
    imgsz: int = 640
    batch: int = 1
    nms: bool = True
    confidence: float = 0.25
    iou: float = 0.7
    max_detections: int = 300
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DescribeJob:
    """Say what a checkpoint is."""

    checkpoint: Path


Job = TrainJob | ProbeJob | CheckJob | ValidateJob | PredictJob | ExportJob | DescribeJob
OPERATIONS: dict[str, type[Job]] = {
    "train": TrainJob,
    "probe": ProbeJob,
    "check": CheckJob,
    "validate": ValidateJob,
    "predict": PredictJob,
    "export": ExportJob,
    "describe": DescribeJob,
}
AT_LEAST_ONE = ("epochs", "imgsz", "imgsz_on_cpu", "batch", "threads", "max_detections")
FRACTIONS = ("confidence", "iou")
MOST_NICE = 19


def parse_job(line: bytes) -> Job:
    """The job in one line of JSON.

    Raises:
        ToolchainError: ``bad_job`` with what is wrong with it.
    """
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise bad_job(f"the job is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise bad_job("the job is not a JSON object")
    kind = OPERATIONS.get(str(fields.pop("operation", None)))
    if kind is None:
        raise bad_job(f"operation must be one of {', '.join(OPERATIONS)}")
    return _build(kind, fields)


def _build(kind: type[Job], fields: dict[str, Any]) -> Job:
    declared = {item.name: item for item in dataclasses.fields(kind)}
    if unknown := sorted(fields.keys() - declared.keys()):
        raise bad_job(f"unknown keys: {', '.join(unknown)}")
    required = [name for name, item in declared.items() if _is_required(item)]
    if missing := sorted(set(required) - fields.keys()):
        raise bad_job(f"missing keys: {', '.join(missing)}")
    hints = typing.get_type_hints(kind)
    job = kind(**{name: _convert(name, value, hints[name]) for name, value in fields.items()})
    _check_ranges(job)
    return job


def _is_required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _convert(name: str, value: object, hint: Any) -> Any:
    """``value`` as the type ``hint``; only the forms that the jobs above use are known."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:  # always "X | None"
        return None if value is None else _convert(name, value, arguments[0])
    if origin is list and isinstance(value, list):
        return [_convert(name, item, arguments[0]) for item in value]
    if origin is dict and isinstance(value, dict):
        return {key: _convert(f"{name}.{key}", item, arguments[1]) for key, item in value.items()}
    if hint is Any:
        return value
    if hint is Path and isinstance(value, str) and Path(value).is_absolute():
        return Path(value)
    if _fits(value, hint, origin, arguments):
        return value
    raise bad_job(f"{name} must be {_describe(hint)}, not {json.dumps(value)[:80]}")


def _fits(value: object, hint: Any, origin: Any, arguments: tuple[Any, ...]) -> bool:
    if origin is Literal:
        return value in arguments
    # type(), because a bool is an int to isinstance
    return type(value) is (origin or hint) or (hint is float and type(value) is int)


def _describe(hint: Any) -> str:
    if hint is Path:
        return "an absolute path"
    return getattr(hint, "__name__", "") if isinstance(hint, type) else str(hint).replace("pathlib.", "")


def _check_ranges(job: Job) -> None:
    values = dataclasses.asdict(job)
    for name in AT_LEAST_ONE:
        if values.get(name) is not None and values[name] < 1:
            raise bad_job(f"{name} must be at least 1")
    for name in FRACTIONS:
        if name in values and not 0 <= values[name] <= 1:
            raise bad_job(f"{name} must be between 0 and 1")
    if not 0 <= values.get("niceness", 0) <= MOST_NICE:
        raise bad_job(f"niceness must be from 0 to {MOST_NICE}")
    device = values.get("device", "cpu")
    if device not in ("cpu", "auto") and not device.isdecimal():
        raise bad_job(f"device must be cpu, auto or the number of one GPU, not {device}")


class Channel:
    """The stream of JSON lines to the parent. Any thread may write; a line is never torn."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._progress_at = -math.inf

    def emit(self, kind: str, **fields: object) -> None:
        """Write one line; NaN and infinity become null, because JSON has neither."""
        line = json.dumps({"type": kind, **_finite(fields)}, allow_nan=False).encode() + b"\n"
        with self._lock:
            self._write(line)

    def progress(self, stage: str, **fields: object) -> None:
        """Like `emit`, but at most four lines a second: these are for a person's eyes."""
        now = time.monotonic()
        if now - self._progress_at >= PROGRESS_INTERVAL_S:
            self._progress_at = now
            self.emit("progress", stage=stage, **fields)

    def last_words(self, error: ToolchainError, *, timeout_s: float = 0.5) -> None:
        """Write the error line even if another thread hangs in `emit` (a parent that no longer reads)."""
        if self._lock.acquire(timeout=timeout_s):
            fields = {"code": error.code, "message": error.message, "transient": error.transient}
            self._write(json.dumps({"type": "error", **fields}).encode() + b"\n")
            # Never released: nothing may follow the last line.

    def _write(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._descriptor, line) :]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
