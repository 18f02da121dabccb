"""Which device a job runs on, and how many threads it may use there."""

from __future__ import annotations

import os

from azaion_ultralytics.errors import ToolchainError


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
