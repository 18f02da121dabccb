"""What a model's file, or what lies beside it, says about the scores of its classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from azaion_common.core.errors import PermanentError
from azaion_inferencer.model_file import read_model_file
from azaion_vision.runtimes import load

Releasing = Any
ROWS = np.array([[0, 0, 8, 8, 0.5, 0], [9, 9, 20, 20, 0.5, 1]], np.float32)
PICTURE = np.zeros((1, 3, 64, 64), np.float32)


def test_a_file_carries_its_own_scores(releasing: Releasing) -> None:
    """Where nobody asks for a confidence, its property says from which score each class counts."""
    content = releasing.model(ROWS, properties={"thresholds": "{0: 0.6, 1: 0.3}"})

    (found,) = load(content, runtime="onnxruntime", threads=1).infer(PICTURE)

    assert found[:, 5].tolist() == [1.0]


def test_what_lies_beside_a_file_counts(releasing: Releasing, tmp_path: Path) -> None:
    """``FILE.json``, as ``azaion models get`` writes it: scores by class name, and colours."""
    path = tmp_path / "model.onnx"
    path.write_bytes(releasing.model(ROWS))
    facts = {"class_names": ["car", "truck"], "class_colours": ["#ff0000", "#00ff00"]}
    path.with_name("model.onnx.json").write_text(json.dumps({**facts, "thresholds": {"car": 0.6}}))

    file = read_model_file(path)
    model = load(file.content, runtime="onnxruntime", threads=1, thresholds=file.thresholds)

    assert model.infer(PICTURE)[0][:, 5].tolist() == [1.0]
    assert file.colours == {0: "#ff0000", 1: "#00ff00"}


def test_what_makes_no_sense_beside_a_file_is_named(releasing: Releasing, tmp_path: Path) -> None:
    """It is not passed over as if it were not there."""
    path = tmp_path / "model.onnx"
    path.write_bytes(releasing.model(ROWS))
    path.with_name("model.onnx.json").write_text('{"thresholds": {"car": 7}}')

    with pytest.raises(PermanentError) as refused:
        read_model_file(path)

    assert refused.value.code == "model_facts_invalid"
