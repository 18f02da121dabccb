"""The runtimes that execute a model, behind one Protocol. A model comes as bytes and never touches the disk.

Each runtime is imported only when it is asked for: an edge device has one of them.
"""

from __future__ import annotations

import importlib
import importlib.util
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from azaion_common.core.errors import PermanentError
from azaion_vision.options import Accelerator, Precision, RuntimeName
from azaion_vision.runtimes.outputs import Thresholds
from azaion_vision.runtimes.self_contained import require_self_contained

_DISTRIBUTIONS = {"openvino": ("openvino",), "onnxruntime": ("onnxruntime-gpu", "onnxruntime")}


class Model(Protocol):
    """A loaded detector. Sizes are (height, width); ``batch_size`` is the most pictures that one call takes."""

    @property
    def input_size(self) -> tuple[int, int]: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def names(self) -> dict[int, str]: ...

    @property
    def executed_by(self) -> str:
        """What really executes it, as the runtime says: ``CPU``, ``CUDA``."""
        ...

    def raw(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The graph's own answer for ``batch``, as ``infer`` takes it; only to be used until the next call."""
        ...

    def infer(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run (b, 3, height, width), red first, 0 to 1, b <= batch_size.

        Returns:
            For each picture (k, 6): ``x1, y1, x2, y2, score, class id`` in letterboxed pixels, best score first.
        """
        ...


def load(
    model_bytes: bytes,
    *,
    runtime: RuntimeName = "auto",
    threads: int | None = None,
    precision: Precision = "f32",
    accelerator: Accelerator = "auto",
    thresholds: Thresholds | None = None,
) -> Model:
    """Load a model with the runtime named; ``auto`` takes OpenVINO where it is installed, else ONNX Runtime.

    With ``accelerator="cuda"`` it takes ONNX Runtime, the one that uses a GPU.

    Args:
        model_bytes: an ONNX file with the metadata Ultralytics writes.
        runtime: which runtime executes it.
        threads: threads of the runtime; as many as it likes when None.
        precision: what OpenVINO computes in; ONNX Runtime computes in the precision of the file.
        accelerator: what has to execute the model.
        thresholds: the filter and the suppression that the graph leaves to us; None: what the file says of itself.

    Raises:
        PermanentError: ``model_external_data`` when part of the model is in another file, ``model_unreadable`` when
            the bytes are no model, ``model_unsupported`` when it is one of another kind, ``runtime_missing`` when the
            runtime is not installed, ``accelerator_unavailable``.
    """
    require_self_contained(model_bytes)
    if _chosen(runtime, accelerator) == "openvino":
        from azaion_vision.runtimes import openvino  # noqa: PLC0415 - one runtime per device

        return openvino.load(model_bytes, threads, precision=precision, thresholds=thresholds)
    from azaion_vision.runtimes import onnx  # noqa: PLC0415

    return onnx.load(model_bytes, threads, accelerator=accelerator, thresholds=thresholds)


def warm_import(runtime: RuntimeName = "auto", accelerator: Accelerator = "auto") -> None:
    """Import what ``load`` needs, which takes a few tenths of a second.

    Raises:
        PermanentError: ``runtime_missing``, ``accelerator_unavailable``.
    """
    name = "openvino" if _chosen(runtime, accelerator) == "openvino" else "onnx"
    importlib.import_module(f"{__name__}.{name}")


def runtime_version(runtime: RuntimeName, accelerator: Accelerator = "auto") -> str:
    """Name and version of what ``load`` would execute a model with; empty where it is not installed.

    The version is read from the installation: nothing is imported.

    Raises:
        PermanentError: ``accelerator_unavailable``.
    """
    name = _chosen(runtime, accelerator)
    for distribution in _DISTRIBUTIONS[name]:
        with suppress(PackageNotFoundError):
            return f"{name} {version(distribution)}"
    return ""


def _chosen(runtime: RuntimeName, accelerator: Accelerator) -> RuntimeName:
    if runtime == "openvino" and accelerator == "cuda":
        raise PermanentError(
            "accelerator_unavailable",
            "OpenVINO does not run on an NVIDIA GPU",
            hint="take runtime onnxruntime, or accelerator cpu",
        )
    if runtime != "auto":
        return runtime
    has_openvino = importlib.util.find_spec("openvino") is not None
    return "openvino" if has_openvino and accelerator != "cuda" else "onnxruntime"
