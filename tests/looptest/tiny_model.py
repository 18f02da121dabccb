"""A model for tests that finds the same in every picture: a few hundred bytes of ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper


def tiny_model(
    rows: NDArray[np.float32] | None = None,
    nodes: Sequence[NodeProto] = (),
    properties: dict[str, str] | None = None,
    output_of: str = "images",
) -> bytes:
    """A model of 64 x 64 pixels that finds ``rows`` (n, 6) in every picture, after doing ``nodes`` for ``output_of``."""
    found = np.array([[16, 12, 48, 36, 0.9, 1]], np.float32) if rows is None else rows
    graph = helper.make_graph(
        [
            *nodes,
            helper.make_node("ReduceMean", [output_of], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
            helper.make_node("Add", ["rows", "nothing"], ["output0"]),
        ],
        "constant",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, *found.shape])],
        [
            helper.make_tensor("rows", TensorProto.FLOAT, (1, *found.shape), found.ravel().tolist()),
            helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        ],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    said = {"names": "{0: 'car', 1: 'truck'}", "imgsz": "[64, 64]", "batch": "1"}
    helper.set_model_props(built, said | (properties or {}))
    return bytes(built.SerializeToString())
