"""Tiny ONNX graphs that stand in for detectors: what comes out is known by arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

ModelFactory = Callable[..., bytes]
_TENSORS = {
    "axes": np.array([1, 2, 3], np.int64),
    "axis": np.array([3], np.int64),
}
_NODES = [
    helper.make_node("ReduceMean", ["images", "axes"], ["mean"], keepdims=1),
    helper.make_node("Squeeze", ["mean", "axis"], ["brightness"]),
    helper.make_node("Mul", ["brightness", "gain"], ["moved"]),
    helper.make_node("Add", ["known", "moved"], ["output0"]),
]


@pytest.fixture
def model_bytes() -> ModelFactory:
    """Build a model that answers ``known + gain * brightness of the picture``, both of shape (b or 1, ., .)."""
    return _model_bytes


def _model_bytes(
    known: NDArray[np.float32],
    gain: NDArray[np.float32] | None = None,
    *,
    size: tuple[int, int] = (32, 64),
    batch: int | None = 1,
    names: str | None = "{0: 'car', 1: 'truck'}",
) -> bytes:
    tensors = _TENSORS | {"known": known, "gain": np.zeros_like(known) if gain is None else gain}
    shape = [batch or "batch", 3, *(size if batch else ("height", "width"))]
    graph = helper.make_graph(
        _NODES,
        "known",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [None, *known.shape[1:]])],
        [_tensor(name, values) for name, values in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    properties = {"imgsz": str(list(size)), "batch": str(batch or 4), "task": "detect"}
    helper.set_model_props(model, properties | ({"names": names} if names else {}))
    return bytes(model.SerializeToString())


def _tensor(name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> TensorProto:
    kind = TensorProto.INT64 if values.dtype == np.int64 else TensorProto.FLOAT
    return helper.make_tensor(name, kind, values.shape, values.ravel().tolist())
