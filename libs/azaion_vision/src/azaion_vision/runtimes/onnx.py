"""ONNX Runtime: on a GPU where its CUDA build is installed, on the CPU otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from azaion_common.core.errors import PermanentError
from azaion_vision.options import Accelerator
from azaion_vision.runtimes.accelerator import check, wanted
from azaion_vision.runtimes.batches import padded, static
from azaion_vision.runtimes.outputs import Metadata, Thresholds, decode
from azaion_vision.runtimes.quiet_onnxruntime import onnxruntime

_NVIDIA = Path("/dev/nvidiactl")
"""There with NVIDIA's driver, and in a container that was given a GPU."""


@dataclass(frozen=True)
class OnnxModel:
    """A session and what its file says about itself."""

    session: onnxruntime.InferenceSession
    metadata: Metadata
    fixed_batch: int | None
    thresholds: Thresholds

    @property
    def input_size(self) -> tuple[int, int]:
        return self.metadata.input_size

    @property
    def batch_size(self) -> int:
        return self.metadata.batch_size

    @property
    def names(self) -> dict[int, str]:
        return self.metadata.names

    @property
    def executed_by(self) -> str:
        provider: str = self.session.get_providers()[0]
        return provider.removesuffix("ExecutionProvider")

    def raw(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        feed = {self.session.get_inputs()[0].name: padded(batch, self.fixed_batch, self.batch_size)}
        return np.asarray(self.session.run(None, feed)[0])[: len(batch)]

    def infer(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return decode(self.raw(batch), len(self.names), self.thresholds)


def load(
    model_bytes: bytes,
    threads: int | None = None,
    *,
    accelerator: Accelerator = "auto",
    thresholds: Thresholds | None = None,
) -> OnnxModel:
    """Open an ONNX file's bytes.

    Raises:
        PermanentError: ``model_unreadable``, ``model_unsupported``, ``accelerator_unavailable``.
    """
    available = onnxruntime.get_available_providers()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3  # warnings about a broken file are ours to give
    # Threads that spin while they wait take the cores away from decoding, which runs beside inference.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(model_bytes, options, providers=wanted(accelerator, available))
    except Exception as error:  # the runtime's own classes have no common base below Exception
        raise PermanentError(
            "model_unreadable", f"ONNX Runtime cannot read the model: {str(error).splitlines()[0]}"
        ) from error
    # Where the GPU cannot be used, ONNX Runtime writes a line into its log and takes the CPU.
    check(accelerator, used=session.get_providers(), available=available, gpu_is_there=_NVIDIA.exists())
    shape = static(session.get_inputs()[0].shape)
    metadata = Metadata.parse(session.get_modelmeta().custom_metadata_map, shape)
    return OnnxModel(session, metadata, shape[0], metadata.filter(thresholds))
