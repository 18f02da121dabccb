"""Which device a job runs on, what that device is, and how many threads it may use there."""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from azaion_ultralytics.errors import ToolchainError, one_line
from azaion_ultralytics.threads import FreeCores

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # as Linux names them in /proc/cpuinfo
CPU = "cpu"
DEVICE_FILES = Path("/dev")


def share_the_cores() -> None:
    """Let idle threads sleep instead of spin; must run before torch is imported.

    OpenMP's default busy-waiting is as fast on an idle machine, and several times slower as soon as anything else
    wants the cores.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")


def give_way(niceness: int) -> None:
    """Let everything else on this machine go first, from 0 (not at all) to 19."""
    if niceness <= 0:
        return
    os.nice(niceness)
    # Linux weighs whole sessions against each other where it groups by them, and this process has one of its own.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness))


def resolve_device(device: str) -> str:
    """``auto`` is the first GPU where there is one, else the CPU; ``cpu`` or the number of a GPU that works.

    A GPU that is there and cannot be used is an error: a training that silently takes the CPU is a hundred times
    slower, and nobody sees why.

    Raises:
        ToolchainError: ``device_unavailable``, saying why and what to do.
    """
    if device == CPU:
        return CPU
    there = gpus_there()
    working, reason = _working_gpus()
    if device == "auto":
        if working:
            return "0"
        if there:
            raise _unusable(f"this machine has a GPU ({there[0]}) that cannot be used: {reason}")
        return CPU
    if int(device) >= working:
        raise _unusable(f"there is no usable GPU {device}: {reason or f'torch sees {working}'}")
    return device


def gpus_there() -> list[str]:
    """Device files of NVIDIA GPUs that this process is meant to have; none where they are hidden from it."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        return []
    found = (path for path in DEVICE_FILES.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name))
    return sorted(str(path) for path in found)


def describe_device(device: str, threads: int | None) -> dict[str, Any]:
    """``{"device": "0", "name": "NVIDIA H200", "threads": 16}`` of a resolved device."""
    if device == CPU:
        name = cpu_name()
    else:
        import torch

        name = str(torch.cuda.get_device_name(int(device)))
    return {"device": device, "name": name[:200], "threads": threads or len(os.sched_getaffinity(0))}


def cpu_name() -> str:
    """As its maker calls it."""
    return _cpuinfo("model name") or platform.processor() or platform.machine() or "unknown"


def use_threads(threads: int | None = None) -> None:
    """Give torch the cores that others leave free (or ``threads``): ultralytics keeps one core free, half of two."""
    import torch

    torch.set_num_threads(threads or FreeCores().threads)


def has_bfloat16(device: str) -> bool:
    """Whether this is a CPU that multiplies bfloat16 in hardware; one that emulates it is slower than with float32."""
    return device == CPU and bool(BFLOAT16_FLAGS & set(_cpuinfo("flags").split()))


def _cpuinfo(field: str) -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    found = (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == field)
    return next(found, "")


def _working_gpus() -> tuple[int, str]:
    """How many GPUs compute, and why none does. torch counts some that its build or their driver cannot run."""
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return 0, f"torch {torch.__version__} was built without CUDA"
    try:
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            torch.cuda.init()  # says why, an old driver among the reasons
        for number in range(count):
            torch.ones(1, device=f"cuda:{number}").add_(1).item()
    except Exception as error:  # noqa: BLE001 - whatever the driver says
        return 0, one_line(str(error))[:300]
    return count, "" if count else "torch sees none"


def _unusable(message: str) -> ToolchainError:
    advice = "mend the driver or the installation of torch, or say device=cpu to train on the CPU"
    return ToolchainError("device_unavailable", f"{message}; {advice}")
