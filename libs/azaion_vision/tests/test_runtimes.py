"""Both runtimes: the same bytes give the same boxes, from memory, whatever the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest

from azaion_common.core.errors import PermanentError
from azaion_vision.options import RuntimeName
from azaion_vision.runtimes import load
from azaion_vision.runtimes.outputs import Thresholds, decode

pytest.importorskip("openvino")
ModelFactory = Callable[..., bytes]
RUNTIMES = get_args(RuntimeName)
IN_GRAPH = np.array([[[1, 2, 3, 4, 0.9, 1], [5, 6, 7, 8, 0.2, 0], [0, 0, 0, 0, 0, 0]]], np.float32)
MOVES_X1 = np.array([[[1, 0, 0, 0, 0, 0]] * 3], np.float32)


def raw(*columns: tuple[float, ...]) -> np.ndarray:
    """Anchors of a graph without suppression: cx, cy, w, h and one score per class."""
    return np.array(columns, np.float32).T[None]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_file_says_what_the_model_is(runtime: RuntimeName, model_bytes: ModelFactory) -> None:
    """Names, input size and batch come from the file's own metadata."""
    model = load(model_bytes(IN_GRAPH, batch=2), runtime=runtime, threads=1)

    assert (model.names, model.input_size, model.batch_size) == ({0: "car", 1: "truck"}, (32, 64), 2)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_rows_below_the_confidence_and_padding_are_left_out(
    runtime: RuntimeName, model_bytes: ModelFactory
) -> None:
    """Of a graph that suppresses by itself only the rows that reach the confidence come back."""
    model = load(model_bytes(IN_GRAPH), runtime=runtime, threads=1)

    (rows,) = model.infer(np.zeros((1, 3, 32, 64), np.float32))

    assert rows == pytest.approx(IN_GRAPH[0, :1])


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("batch", [None, 4], ids=["dynamic", "fixed"])
def test_a_short_batch_gives_each_picture_its_own_boxes(
    runtime: RuntimeName, batch: int | None, model_bytes: ModelFactory
) -> None:
    """Three pictures in a model made for four give three answers, in order, each from its own pixels."""
    model = load(model_bytes(IN_GRAPH, MOVES_X1, batch=batch), runtime=runtime, threads=1)
    pictures = np.stack([np.full((3, 32, 64), brightness, np.float32) for brightness in (0.0, 0.5, 1.0)])

    answers = model.infer(pictures)

    assert [rows[0, 0] for rows in answers] == pytest.approx([1.0, 1.5, 2.0])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_answer_outlives_the_next_call(runtime: RuntimeName, model_bytes: ModelFactory) -> None:
    """Rows handed out are not overwritten when the model runs again."""
    model = load(model_bytes(IN_GRAPH, MOVES_X1), runtime=runtime, threads=1)
    (first,) = model.infer(np.zeros((1, 3, 32, 64), np.float32))

    model.infer(np.ones((1, 3, 32, 64), np.float32))

    assert first[0, 0] == 1.0


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_too_many_pictures_are_refused(runtime: RuntimeName, model_bytes: ModelFactory) -> None:
    """More pictures than the model takes are an error, not a silent cut."""
    model = load(model_bytes(IN_GRAPH), runtime=runtime, threads=1)

    with pytest.raises(ValueError, match="takes 1 pictures"):
        model.infer(np.zeros((2, 3, 32, 64), np.float32))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x07" * 50], ids=["empty", "text", "noise"])
def test_bytes_that_are_no_model_are_refused(runtime: RuntimeName, content: bytes) -> None:
    """Broken bytes end in one typed error with one line."""
    with pytest.raises(PermanentError) as refused:
        load(content, runtime=runtime)

    assert refused.value.code == "model_unreadable"
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("names", [None, "{0: ", "__import__('os')", "{}"])
def test_a_model_without_usable_names_is_refused(
    runtime: RuntimeName, names: str | None, model_bytes: ModelFactory
) -> None:
    """Names that are missing, torn or code are refused; nothing in them is executed."""
    with pytest.raises(PermanentError) as refused:
        load(model_bytes(IN_GRAPH, names=names), runtime=runtime)

    assert refused.value.code == "model_unsupported"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_suppression_happens_where_the_graph_does_not_do_it(
    runtime: RuntimeName, model_bytes: ModelFactory
) -> None:
    """Raw anchors become corner boxes with their best class; the overlapping weaker one goes."""
    output = raw(
        (20, 10, 8, 4, 0.9, 0.1), (20, 10, 8, 5, 0.8, 0.1), (40, 20, 2, 2, 0.1, 0.6), (5, 5, 1, 1, 0.2, 0.1)
    )
    model = load(model_bytes(output), runtime=runtime, threads=1)

    (rows,) = model.infer(np.zeros((1, 3, 32, 64), np.float32))

    expected = np.array([[16, 8, 24, 12, 0.9, 0], [39, 19, 41, 21, 0.6, 1]], np.float32)
    assert rows == pytest.approx(expected)


def test_two_classes_and_many_anchors_are_not_taken_for_rows_of_six() -> None:
    """(1, 6, anchors) of a two-class model is raw output, although one dimension is six."""
    assert decode(raw((20, 10, 8, 4, 0.9, 0.1)), 2)[0].shape == (1, 6)


def test_at_most_so_many_detections_come_back() -> None:
    """The limit cuts after suppression and keeps the best."""
    output = raw(*((i * 10, 0, 5, 5, 0.3 + i / 100, 0) for i in range(20)))

    (rows,) = decode(output, 2, Thresholds(max_detections=3))

    assert rows[:, 4] == pytest.approx([0.49, 0.48, 0.47])


def test_an_output_of_another_kind_is_refused() -> None:
    """A classifier's output is no set of boxes."""
    with pytest.raises(PermanentError) as refused:
        decode(np.zeros((1, 1000), np.float32), 2)

    assert refused.value.code == "model_unsupported"
