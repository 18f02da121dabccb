"""A model that was never run here is run in a child first: what is wrong with it stays there, and has a code."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from azaion_common.core.errors import AzaionError, PermanentError
from azaion_inferencer.trial import TrialJob
from azaion_inferencer.trying import try_out

pytestmark = pytest.mark.slow

Releasing = Any
RUNTIMES = ("onnxruntime", "openvino")
FOUND = np.array([[16, 12, 48, 36, 0.9, 1]], np.float32)


def job(runtime: Any, deadline_s: float = 30, memory_mb: int = 512) -> TrialJob:
    return TrialJob("a" * 16, runtime, "f32", "cpu", 1, deadline_s, memory_mb << 20)


def refusal(content: bytes, wanted: TrialJob) -> AzaionError:
    with pytest.raises(PermanentError) as refused:
        try_out(content, wanted)
    return refused.value


def endless() -> list[Any]:
    """Nodes that count to 2^62, one by one."""
    condition = helper.make_tensor_value_info("more", TensorProto.BOOL, [])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["more"], ["more_out"]),
            helper.make_node("Sin", ["value"], ["value_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            condition,
            helper.make_tensor_value_info("value", TensorProto.FLOAT, [1, 3, 64, 64]),
        ],
        [
            helper.make_tensor_value_info("more_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value_out", TensorProto.FLOAT, [1, 3, 64, 64]),
        ],
    )
    return [
        helper.make_node("Constant", [], ["turns"], value=helper.make_tensor("t", TensorProto.INT64, [], [1 << 62])),
        helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("y", TensorProto.BOOL, [], [True])),
        helper.make_node("Loop", ["turns", "yes", "images"], ["looped"], body=body),
    ]  # fmt: skip


def huge(gigabytes: int) -> list[Any]:
    """Nodes that make a tensor of so many gigabytes out of the picture's size."""
    numbers = [gigabytes << 8, 1 << 20]
    return [
        helper.make_node(
            "Constant", [], ["size"], value=helper.make_tensor("s", TensorProto.INT64, [2], numbers)
        ),
        helper.make_node("ReduceMax", ["images"], ["one"], keepdims=0),
        helper.make_node("Expand", ["one", "size"], ["wide"]),
        helper.make_node("ReduceMean", ["wide"], ["much"], keepdims=0),
    ]


def test_a_sound_model_passes(releasing: Releasing) -> None:
    """In each runtime; both at once, to be quick."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda runtime: try_out(releasing.model(), job(runtime)), RUNTIMES))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(value: float, releasing: Releasing) -> None:
    """Thresholds would drop them without a word, and the fleet would find nothing."""
    content = releasing.model(np.array([[value] * 6], np.float32))

    assert refusal(content, job("onnxruntime")).code == "model_unusable"


def test_a_model_that_fails_on_black_pictures_only_is_found_out(releasing: Releasing) -> None:
    """Grey alone is no trial: the logarithm of nothing is no number."""
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["brightest"], keepdims=0),
        helper.make_node("Log", ["brightest"], ["rows_"]),
    ]
    content = releasing.model(FOUND, nodes, output_of="rows_")

    assert refusal(content, job("onnxruntime")).code == "model_unusable"


def test_an_answer_of_another_shape_is_refused(releasing: Releasing) -> None:
    """A detector of two classes does not answer with seven numbers a row."""
    assert (
        refusal(releasing.model(np.zeros((3, 7), np.float32)), job("onnxruntime")).code == "model_unsupported"
    )


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_endless_model_is_ended(runtime: str, releasing: Releasing) -> None:
    """At its deadline, in whatever native code it is."""
    started = time.monotonic()

    refused = refusal(releasing.model(FOUND, endless(), output_of="looped"), job(runtime, deadline_s=3))

    assert refused.code == "model_hangs"
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_model_that_wants_all_memory_is_refused(runtime: str, releasing: Releasing) -> None:
    """Eight gigabytes for a file of a thousand bytes."""
    content = releasing.model(FOUND, huge(8), output_of="much")

    assert refusal(content, job(runtime)).code in (
        "model_too_large",
        "model_unusable",
        "model_unreadable",
        "model_crashes",
    )


def test_bytes_that_are_no_model_are_refused() -> None:
    """With the code of the runtime's own refusal."""
    assert refusal(b"no model", job("onnxruntime")).code == "model_unreadable"
