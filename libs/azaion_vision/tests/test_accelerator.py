"""The GPU is used, or it is an error."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pytest

from azaion_common.core.errors import PermanentError
from azaion_vision.options import Accelerator
from azaion_vision.runtimes import load
from azaion_vision.runtimes.accelerator import CPU, CUDA, check, wanted

REFUSED: AbstractContextManager[object] = pytest.raises(PermanentError, match="accelerator_unavailable")
ACCEPTED: AbstractContextManager[object] = nullcontext()


@pytest.mark.parametrize(
    ("accelerator", "used", "available", "gpu_is_there", "outcome"),
    [
        ("auto", [CUDA, CPU], [CUDA, CPU], True, ACCEPTED),
        ("auto", [CPU], [CUDA, CPU], True, REFUSED),
        ("auto", [CPU], [CUDA, CPU], False, ACCEPTED),
        ("auto", [CPU], [CPU], True, ACCEPTED),
        ("cuda", [CUDA, CPU], [CUDA, CPU], True, ACCEPTED),
        ("cuda", [CPU], [CUDA, CPU], False, REFUSED),
        ("cuda", [CPU], [CPU], True, REFUSED),
        ("cpu", [CPU], [CUDA, CPU], True, ACCEPTED),
    ],
    ids=[
        "auto, GPU used", "auto, driver too old", "auto, CUDA build without a GPU", "auto, CPU build",
        "cuda, GPU used", "cuda, no GPU", "cuda, CPU build", "cpu, GPU left alone",
    ],
)  # fmt: skip
def test_a_gpu_that_is_not_used_is_an_error(
    accelerator: Accelerator,
    used: list[str],
    available: list[str],
    gpu_is_there: bool,  # noqa: FBT001
    outcome: AbstractContextManager[object],
) -> None:
    """Never a silent run on the CPU where a GPU was asked for, or is there with a runtime that could use it."""
    with outcome:
        check(accelerator, used=used, available=available, gpu_is_there=gpu_is_there)


def test_the_cpu_is_asked_for_alone_when_it_is_named() -> None:
    """``cpu`` leaves a GPU to others."""
    assert wanted("cpu", [CUDA, CPU]) == [CPU]
    assert wanted("auto", [CUDA, CPU]) == [CUDA, CPU]


@pytest.mark.parametrize("runtime", ["auto", "onnxruntime", "openvino"])
def test_a_build_for_the_cpu_is_refused_where_the_gpu_is_asked_for(runtime: str, model_bytes: object) -> None:
    """Whatever the runtime, ``cuda`` on this machine is an error with what to do."""
    with pytest.raises(PermanentError) as caught:
        load(model_bytes(np.zeros((1, 1, 6), np.float32)), runtime=runtime, accelerator="cuda")  # type: ignore[operator, arg-type]

    assert caught.value.code == "accelerator_unavailable"
    assert caught.value.hint
