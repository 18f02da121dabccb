"""Which execution providers ONNX Runtime is asked for, and whether those that it took are good enough."""

from __future__ import annotations

from collections.abc import Sequence

from azaion_common.core.errors import PermanentError
from azaion_vision.options import Accelerator

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def wanted(accelerator: Accelerator, available: Sequence[str]) -> list[str]:
    """The providers to ask for, best first, of those that this build has."""
    preferred = (CPU,) if accelerator == "cpu" else (CUDA, CPU)
    return [provider for provider in preferred if provider in available]


def check(
    accelerator: Accelerator, *, used: Sequence[str], available: Sequence[str], gpu_is_there: bool
) -> None:
    """A model that was to run on the GPU and does not is an error: nobody looks for a device that is merely slow.

    Raises:
        PermanentError: ``accelerator_unavailable``.
    """
    if accelerator == "cpu" or CUDA in used:
        return
    if CUDA not in available and accelerator == "cuda":
        raise PermanentError(
            "accelerator_unavailable",
            "this ONNX Runtime has no CUDA: it is the build for the CPU",
            hint="install onnxruntime-gpu in its place, or set accelerator to cpu",
        )
    if accelerator == "cuda" or (CUDA in available and gpu_is_there):
        raise PermanentError(
            "accelerator_unavailable",
            "the GPU cannot be used: ONNX Runtime fell back to the CPU",
            hint="its CUDA 13 wants NVIDIA driver 580 or later (nvidia-smi); or set accelerator to cpu",
        )
