"""Is an ONNX file the whole model? A tensor in it may name another file for its data, which nobody has verified.

This walks the file's protobuf structure (onnx.proto of ONNX 1.20) without building anything, and refuses what it
cannot follow: a reader behind it must not see more than it saw.
"""

from __future__ import annotations

from azaion_common.core.errors import PermanentError

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
_MAX_TAG = (1 << 32) - 1

_Fields = dict[int, str]
_MESSAGES: dict[str, _Fields] = {
    "Model": {7: "Graph", 20: "TrainingInfo", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Function": {7: "Node", 11: "Attribute"},
    "TrainingInfo": {1: "Graph", 2: "Graph"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
"""The fields that lead to tensors."""
_GRAPH = 7
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
"""Of a tensor."""


def require_self_contained(model_bytes: bytes) -> None:
    """Refuse a model that is not all in ``model_bytes``, in whichever graph, subgraph, function or attribute.

    Raises:
        PermanentError: ``model_external_data``, or ``model_unreadable`` for bytes that are no ONNX file.
    """
    data = memoryview(model_bytes)
    pending, has_graph = [("Model", 0, len(data))], False
    while pending:
        message, position, end = pending.pop()
        while position < end:
            tag, position = _varint(data, position, end)
            number, kind = tag >> 3, tag & 7
            if number == 0 or tag > _MAX_TAG:
                raise _unreadable()
            start, position, value = _field(data, kind, position, end)
            if message == "Tensor":
                _require_own_data(number, kind, value)
                continue
            inner = _MESSAGES[message].get(number)
            if inner is not None:
                if kind != _LENGTH:
                    raise _unreadable()
                pending.append((inner, start, position))
                has_graph |= inner == "Graph"
    if not has_graph:
        raise _unreadable()


def _require_own_data(number: int, kind: int, value: int) -> None:
    names_a_file = number == _EXTERNAL_DATA
    is_elsewhere = number == _DATA_LOCATION and (kind != _VARINT or value != 0)
    if names_a_file or is_elsewhere:
        raise PermanentError(
            "model_external_data",
            "the model keeps tensors in another file, which nothing vouches for",
            hint="export it as one file",
        )


def _field(data: memoryview, kind: int, position: int, end: int) -> tuple[int, int, int]:
    """Where a field's content begins and ends, and its value where it is a varint."""
    value = 0
    if kind == _VARINT:
        value, after = _varint(data, position, end)
    elif kind == _LENGTH:
        length, position = _varint(data, position, end)
        after = position + length
    elif kind in (_FIXED32, _FIXED64):
        after = position + (4 if kind == _FIXED32 else 8)
    else:  # groups, which ONNX never had
        raise _unreadable()
    if after > end:
        raise _unreadable()
    return position, after, value


def _varint(data: memoryview, position: int, end: int) -> tuple[int, int]:
    value = 0
    for index in range(min(_MAX_VARINT_BYTES, end - position)):
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follow
            return value, position + index + 1
    raise _unreadable()


def _unreadable() -> PermanentError:
    return PermanentError(
        "model_unreadable", "not an ONNX file", hint="export a checkpoint first: azaion export MODEL"
    )
