"""ONNX Runtime: on a GPU where its CUDA build is installed, on the CPU otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from azaion_common.detection.runtimes.batches import padded, static
from azaion_common.detection.runtimes.outputs import DEFAULT_THRESHOLDS, Metadata, Thresholds, decode
from azaion_common.detection.runtimes.quiet_onnxruntime import onnxruntime
from azaion_common.errors import PermanentError


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

    def infer(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        feed = {self.session.get_inputs()[0].name: padded(batch, self.fixed_batch, self.batch_size)}
        output = np.asarray(self.session.run(None, feed)[0])
        return decode(output[: len(batch)], len(self.names), self.thresholds)


_PREFERRED = ("CUDAExecutionProvider", "CPUExecutionProvider")


def _providers() -> list[str]:
    there = onnxruntime.get_available_providers()
    return [provider for provider in _PREFERRED if provider in there]


def load(
    model_bytes: bytes, threads: int | None = None, *, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> OnnxModel:
    """Open an ONNX file's bytes.

    Raises:
        PermanentError: ``model_unreadable`` or ``model_unsupported``.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3  # warnings about a broken file are ours to give
    # Threads that spin while they wait take the cores away from decoding, which runs beside inference.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(model_bytes, options, providers=_providers())
    except Exception as error:  # the runtime's own classes have no common base below Exception
        raise PermanentError(
            "model_unreadable", f"ONNX Runtime cannot read the model: {str(error).splitlines()[0]}"
        ) from error
    shape = static(session.get_inputs()[0].shape)
    metadata = Metadata.parse(session.get_modelmeta().custom_metadata_map, shape)
    return OnnxModel(session, metadata, shape[0], thresholds)
