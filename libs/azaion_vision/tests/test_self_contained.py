"""A model is the bytes that were verified and nothing else: no tensor of it may lie in another file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    TrainingInfoProto,
    helper,
)

from azaion_common.core.errors import PermanentError
from azaion_vision.options import RuntimeName
from azaion_vision.runtimes import load
from azaion_vision.runtimes.outputs import Thresholds, decode
from azaion_vision.runtimes.self_contained import require_self_contained

ModelFactory = Callable[..., bytes]
ROWS = np.array([[[1, 2, 3, 4, 0.9, 1]]], np.float32)


def elsewhere() -> TensorProto:
    """A tensor whose bytes are in a file beside the model."""
    tensor = TensorProto(name="known", data_type=TensorProto.FLOAT, dims=[1, 1, 6])
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    return tensor


def only(field: str) -> TensorProto:
    """A tensor with one of the two marks of external data alone."""
    whole = elsewhere()
    whole.ClearField(field)
    return whole


def attribute(**content: object) -> AttributeProto:
    made = AttributeProto(name="value")
    for name, value in content.items():
        target = getattr(made, name)
        if isinstance(value, list):
            target.extend(value)
        else:
            target.CopyFrom(value)
    return made


def graph(tensor: TensorProto) -> GraphProto:
    return GraphProto(name="inner", initializer=[tensor])


def sparse(values: TensorProto | None = None, indices: TensorProto | None = None) -> SparseTensorProto:
    return SparseTensorProto(values=values, indices=indices)


def with_attribute(content: AttributeProto) -> NodeProto:
    node = helper.make_node("Constant", [], ["x"])
    node.attribute.append(content)
    return node


def in_function(tensor: TensorProto) -> FunctionProto:
    return FunctionProto(name="f", domain="local", node=[with_attribute(attribute(t=tensor))])


PLACES: dict[str, Callable[[ModelProto, TensorProto], object]] = {
    "initializer": lambda model, tensor: model.graph.initializer.append(tensor),
    "sparse values": lambda model, tensor: model.graph.sparse_initializer.append(sparse(values=tensor)),
    "sparse indices": lambda model, tensor: model.graph.sparse_initializer.append(sparse(indices=tensor)),
    "attribute": lambda model, tensor: model.graph.node[0].attribute.append(attribute(t=tensor)),
    "list of tensors": lambda model, tensor: model.graph.node[0].attribute.append(
        attribute(tensors=[tensor])
    ),
    "sparse attribute": lambda model, tensor: model.graph.node[0].attribute.append(
        attribute(sparse_tensor=sparse(values=tensor))
    ),
    "sparse attributes": lambda model, tensor: model.graph.node[0].attribute.append(
        attribute(sparse_tensors=[sparse(values=tensor)])
    ),
    "subgraph": lambda model, tensor: model.graph.node[0].attribute.append(attribute(g=graph(tensor))),
    "subgraphs": lambda model, tensor: model.graph.node[0].attribute.append(
        attribute(graphs=[graph(tensor)])
    ),
    "function": lambda model, tensor: model.functions.append(in_function(tensor)),
    "function's default": lambda model, tensor: model.functions.append(
        FunctionProto(name="f", domain="local", attribute_proto=[attribute(t=tensor)])
    ),
    "training": lambda model, tensor: model.training_info.append(TrainingInfoProto(algorithm=graph(tensor))),
    "initialisation": lambda model, tensor: model.training_info.append(
        TrainingInfoProto(initialization=graph(tensor))
    ),
    "subgraph of a subgraph": lambda model, tensor: model.graph.node[0].attribute.append(
        attribute(g=GraphProto(node=[with_attribute(attribute(g=graph(tensor)))]))
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_data_in_another_file_is_refused_wherever_it_hides(place: str, model_bytes: ModelFactory) -> None:
    """In the graph, its subgraphs, functions, attributes and sparse tensors; by either of its two marks."""
    for tensor in (elsewhere(), only("external_data"), only("data_location")):
        model = ModelProto.FromString(model_bytes(ROWS))
        PLACES[place](model, tensor)

        with pytest.raises(PermanentError) as refused:
            require_self_contained(model.SerializeToString())

        assert refused.value.code == "model_external_data"


def test_a_whole_model_passes(model_bytes: ModelFactory) -> None:
    """Tensors with their own bytes, in the graph and in attributes, are no reason to refuse one."""
    model = ModelProto.FromString(model_bytes(ROWS))
    own = helper.make_tensor("own", TensorProto.FLOAT, [2], [1.0, 2.0])
    own.data_location = TensorProto.DEFAULT
    for add in PLACES.values():
        add(model, own)

    require_self_contained(model.SerializeToString())


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_no_runtime_sees_such_a_model(
    runtime: RuntimeName, model_bytes: ModelFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the file that it names lies in the working directory, from which OpenVINO would read it."""
    (tmp_path / "weights.bin").write_bytes(ROWS.tobytes())
    monkeypatch.chdir(tmp_path)
    model = ModelProto.FromString(model_bytes(ROWS))
    del model.graph.initializer[2]
    model.graph.initializer.append(elsewhere())

    with pytest.raises(PermanentError) as refused:
        load(model.SerializeToString(), runtime=runtime, threads=1)

    assert refused.value.code == "model_external_data"


def test_a_mark_in_an_odd_encoding_is_a_mark(model_bytes: ModelFactory) -> None:
    """A value whose low 32 bits say external is read so by protobuf, and so it is here."""
    tensor = b"\x70" + b"\x81\x80\x80\x80\x10"  # data_location = 2^32 + 1
    graph_field = b"\x2a" + bytes([len(tensor)]) + tensor
    hostile = model_bytes(ROWS) + b"\x3a" + bytes([len(graph_field)]) + graph_field

    assert ModelProto.FromString(hostile).graph.initializer[-1].data_location == TensorProto.EXTERNAL
    with pytest.raises(PermanentError) as refused:
        require_self_contained(hostile)
    assert refused.value.code == "model_external_data"


@pytest.mark.parametrize("seed", range(50))
def test_noise_is_refused_with_a_code(seed: int, model_bytes: ModelFactory) -> None:
    """What the walk cannot follow is not handed on: bytes cut off, changed or made up."""
    random = np.random.default_rng(seed)
    whole = model_bytes(ROWS)
    codes = {code_of(content) for content in (whole[: random.integers(len(whole))], random.bytes(200), b"")}

    assert codes <= {"sound", "model_unreadable"}


def code_of(content: bytes) -> str:
    try:
        require_self_contained(content)
    except PermanentError as error:
        return error.code
    return "sound"


def test_a_large_model_is_looked_through_in_no_time(model_bytes: ModelFactory) -> None:
    """Weights are passed over by their length, not read."""
    model = ModelProto.FromString(model_bytes(ROWS))
    weights = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[1 << 24], raw_data=os.urandom(1 << 20) * 64
    )
    model.graph.initializer.append(weights)

    require_self_contained(model.SerializeToString())


def test_each_class_has_its_own_score() -> None:
    """Of boxes at 0.5, class 0 needs 0.6 and class 1 0.4; a class without one needs the general score."""
    rows = np.array([[[0, 0, 1, 1, 0.5, 0], [0, 0, 1, 1, 0.5, 1], [0, 0, 1, 1, 0.5, 2]]], np.float32)
    anchors = np.array(
        [[0.5, 0.5, 1, 1, 0.5, 0, 0], [9, 9, 1, 1, 0, 0.5, 0], [20, 9, 1, 1, 0, 0, 0.5]], np.float32
    )
    limits = Thresholds(0.55, by_class={0: 0.6, 1: 0.4})

    (in_graph,), (raw,) = decode(rows, 3, limits), decode(anchors.T[None], 3, limits)

    assert in_graph[:, 5].tolist() == [1.0]
    assert raw[:, 5].tolist() == [1.0]
    assert decode(rows, 3, Thresholds(0.45, by_class={7: 0.9}))[0][:, 5].tolist() == [0.0, 1.0, 2.0]
