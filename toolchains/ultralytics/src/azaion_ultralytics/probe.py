"""Says what a training would run on and how fast it goes there, from a few steps on made-up pictures."""

from __future__ import annotations

import time
from typing import Any

import torch
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import DetectionModel

from azaion_ultralytics.devices import CPU, describe_device, has_bfloat16, resolve_device, use_threads
from azaion_ultralytics.protocol import Channel, ProbeJob
from azaion_ultralytics.train import check_overrides, find_architecture

MOST_PICTURES = 8
LONG_ENOUGH_S = 1.5
MOST_STEPS = 10
OBJECTS = 8


def probe(job: ProbeJob, channel: Channel) -> dict[str, Any]:
    """Check a training before it is begun: its settings, its architecture and its device, and how fast that is.

    Raises:
        ToolchainError: ``bad_job``, ``device_unavailable``.
    """
    check_overrides(job.overrides)
    architecture = find_architecture(job.architecture)
    device = resolve_device(job.device)
    imgsz = job.imgsz_on_cpu if device == CPU else job.imgsz
    mixed = bool(job.overrides.get("amp", True))
    channel.progress("probe")
    return {
        "hardware": describe_device(device, job.threads),
        "imgsz": imgsz,
        "pictures_per_second": round(
            _speed(architecture, device, imgsz, min(job.batch, MOST_PICTURES), job.threads, mixed=mixed), 3
        ),
    }


def _speed(
    architecture: str, device: str, imgsz: int, batch: int, threads: int | None, *, mixed: bool
) -> float:
    """Pictures a second, forward and backward, laid out and computed as `DetectorTraining` does."""
    use_threads(threads)
    place = torch.device(CPU if device == CPU else f"cuda:{device}")
    model = DetectionModel(architecture, verbose=False).to(place).train()
    model.args = get_cfg()
    if device == CPU:
        model.to(memory_format=torch.channels_last)
    precision = torch.bfloat16 if has_bfloat16(device) else torch.float16
    cast = torch.autocast(
        place.type, dtype=precision, enabled=mixed and (device != CPU or has_bfloat16(device))
    )
    pictures = _pictures(batch, imgsz, place)
    _step(model, pictures, cast)  # allocates and chooses kernels
    seconds: list[float] = []
    while len(seconds) < MOST_STEPS and sum(seconds) < LONG_ENOUGH_S:
        seconds.append(_step(model, pictures, cast))
    return batch / min(seconds)  # what else the machine does meanwhile is no matter of the training


def _pictures(batch: int, imgsz: int, place: torch.device) -> dict[str, Any]:
    objects = batch * OBJECTS
    return {
        "img": torch.rand(batch, 3, imgsz, imgsz, device=place),
        "batch_idx": torch.arange(batch, device=place).repeat_interleave(OBJECTS).float(),
        "cls": torch.zeros(objects, 1, device=place),
        "bboxes": torch.rand(objects, 4, device=place) * 0.4 + 0.3,
    }


def _step(model: Any, pictures: dict[str, Any], cast: Any) -> float:
    """The seconds that it takes."""
    began = time.perf_counter()
    with cast:
        loss, _ = model(pictures)
    loss.sum().backward()
    model.zero_grad(set_to_none=True)
    if pictures["img"].is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began
