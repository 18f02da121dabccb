"""Which device a job runs on, and how many threads it may use there."""

from __future__ import annotations

import os
from pathlib import Path

from azaion_ultralytics.errors import ToolchainError

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # as Linux names them in /proc/cpuinfo


def share_the_cores() -> None:
    """Let idle threads sleep instead of spin; must run before torch is imported.

    OpenMP's default busy-waiting is as fast on an idle machine, and several times slower as soon as anything else
    wants the cores.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")


def resolve_device(device: str) -> str:
    """``auto`` is the first GPU where there is one, else the CPU.

    Raises:
        ToolchainError: ``device_unavailable`` for a GPU that torch does not see.
    """
    import torch

    gpus = torch.cuda.device_count()
    if device == "auto":
        return "0" if gpus else "cpu"
    if device != "cpu" and int(device) >= gpus:
        raise ToolchainError("device_unavailable", f"there is no GPU {device}; torch sees {gpus}")
    return device


def use_threads(threads: int | None = None) -> None:
    """Give torch all the cores of this process (or ``threads``): ultralytics keeps one core free, half of two."""
    import torch

    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))


def has_bfloat16(device: str) -> bool:
    """Whether this is a CPU that multiplies bfloat16 in hardware; one that emulates it is slower than with float32."""
    return device == "cpu" and bool(BFLOAT16_FLAGS & _cpu_flags())


def _cpu_flags() -> set[str]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())
