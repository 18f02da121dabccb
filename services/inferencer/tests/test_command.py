"""``azaion infer`` as a user meets it: a real model file, a real video, real outputs."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import typer
from onnx import TensorProto, helper
from typer.testing import CliRunner

from azaion_common.catalogue import Catalogue
from azaion_common.errors import PermanentError
from azaion_common.packages import (
    FleetKeyWrapper,
    PackageMeta,
    load_or_create_fleet_key,
    new_content_key,
    seal_package,
    wrap_context,
    write_wrapped_key,
)
from azaion_inferencer.command import register
from azaion_inferencer.inference import _interruptible, slot_colours

Kit = Any
ROWS = np.array([[[16, 12, 48, 36, 0.9, 1], [0, 0, 8, 8, 0.3, 0]]], np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of 64 x 64 pixels that sees a truck in the middle, and less surely a car, in every picture."""
    node = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["rows", "nothing"], ["output0"]),
    ]
    graph = helper.make_graph(
        node,
        "constant",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 2, 6])],
        [
            helper.make_tensor("rows", TensorProto.FLOAT, ROWS.shape, ROWS.ravel().tolist()),
            helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        ],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(built, {"names": "{0: 'car', 1: 'truck'}", "imgsz": "[64, 64]", "batch": "1"})
    path = tmp_path / "model.onnx"
    path.write_bytes(built.SerializeToString())
    return path


def azaion(*arguments: object) -> str:
    """Run the command and give what it wrote on stdout."""
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["infer", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_video_becomes_a_film_and_lines(runtime: str, kit: Kit, model: Path, tmp_path: Path) -> None:
    """Every fourth frame has a line with the boxes in pixels of the video; the summary adds up."""
    film, lines, out = kit.film(tmp_path / "in.mp4"), tmp_path / "out.jsonl", tmp_path / "out.mp4"

    written = azaion(
        film, "--model", model, "--save", out, "--json", lines, "--summary-json", "--runtime", runtime
    )

    summary = json.loads(written.splitlines()[-1])
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    assert summary["frames"] == {
        "read": 50,
        "inferred": 13,
        "skipped": 37,
        "dropped": {},
        "with_detections": 13,
    }
    assert summary["detections"] == {"truck": 13, "car": 13}
    assert [record["frame"] for record in records] == list(range(0, 50, 4))
    assert {record["model_id"] for record in records} == {summary["model_id"]}
    best = records[3]["detections"][0]
    assert (best["class"], best["box"]) == ("truck", [16.0, 4.0, 48.0, 28.0])  # 8 rows of padding above
    assert out.stat().st_size > 0


def test_the_confidence_leaves_out_the_less_sure(kit: Kit, model: Path, tmp_path: Path) -> None:
    """With a confidence between the two only the truck is left; the line for people says so."""
    line = azaion(kit.film(tmp_path / "in.mp4", count=8), "--model", model, "--confidence", 0.5)

    assert "8 frames read, 2 inferred, 6 skipped" in line
    assert "found 2 truck in 2 frames" in line


def test_a_sealed_package_runs_without_touching_the_disk(kit: Kit, model: Path, tmp_path: Path) -> None:
    """A package is opened with the fleet's key in memory: the same model, the same name, no new plaintext file."""
    package, key, cek = tmp_path / "m.azpkg", tmp_path / "fleet.key", new_content_key()
    wrapper = FleetKeyWrapper(load_or_create_fleet_key(key))
    header = seal_package(model, package, meta=PackageMeta("1", "default", "onnx", ()), cek=cek)
    write_wrapped_key(tmp_path / "m.azpkg.cek", wrapper.wrap(cek, wrap_context(header)))
    film = kit.film(tmp_path / "in.mp4", count=8)
    before = sorted(tmp_path.iterdir())

    sealed = json.loads(azaion(film, "--model", package, "--key", key, "--summary-json"))

    plain = json.loads(azaion(film, "--model", model, "--summary-json"))
    assert sealed["model_id"] == plain["model_id"]
    assert sorted(tmp_path.iterdir()) == before


def test_a_truncated_video_leaves_no_output(kit: Kit, model: Path, tmp_path: Path) -> None:
    """A video whose end turns out to be missing after inference began leaves neither film nor lines."""
    film = kit.film(tmp_path / "in.mkv", count=200)
    film.write_bytes(film.read_bytes()[:2500])
    out = tmp_path / "out"

    with pytest.raises(PermanentError) as refused:
        azaion(film, "--model", model, "--save", out / "a.mp4", "--json", out / "a.jsonl")

    assert refused.value.code == "video_unreadable"
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("model_name", "code"),
    [("nowhere.onnx", "model_missing"), ("latest", "home_missing"), ("in.mp4", "model_unreadable")],
)
def test_a_model_that_cannot_be_had_is_named(model_name: str, code: str, kit: Kit, tmp_path: Path) -> None:
    """A missing model, none, or something that is none: one typed error each, before any output."""
    film = kit.film(tmp_path / "in.mp4", count=2)
    name = model_name if model_name == "latest" else tmp_path / model_name

    with pytest.raises(PermanentError) as refused:
        azaion(film, "--model", name, "--json", tmp_path / "out.jsonl", "--home", tmp_path / "home")

    assert refused.value.code == code
    assert not (tmp_path / "out.jsonl").exists()


def test_a_package_needs_its_key(kit: Kit, tmp_path: Path) -> None:
    """Without a key file the error says which option names it."""
    (tmp_path / "m.azpkg").write_bytes(b"sealed")

    with pytest.raises(PermanentError) as refused:
        azaion(kit.film(tmp_path / "in.mp4", count=2), "--model", tmp_path / "m.azpkg")

    assert "--key" in (refused.value.hint or "")


def test_a_class_has_its_colour_in_every_condition() -> None:
    """The colours of the catalogue go to all slots of a class."""
    catalogue = Catalogue.from_names(["car", "truck"])

    colours = slot_colours(catalogue)

    assert set(colours) == {0, 1, 20, 21, 40, 41}
    assert colours[21] == catalogue.colour(1)


def deliver(number: signal.Signals) -> None:
    """As the interpreter does it. A real one kills the process where a native library has touched the signal stack."""
    handler = signal.getsignal(number)
    assert callable(handler)
    handler(number, None)


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_the_end_of_a_live_source_is_orderly_and_that_of_a_file_an_abort(
    asked: signal.Signals, kit: Kit
) -> None:
    """Ctrl-C and a request to terminate stop a camera and keep what was recorded; a file's run they break off."""
    camera, stop, before = kit.source(1, live=True), Event(), signal.getsignal(asked)

    with _interruptible(camera, stop):
        deliver(asked)
    with pytest.raises(KeyboardInterrupt), _interruptible(kit.source(1), Event()):
        deliver(asked)

    assert stop.is_set()
    assert camera.stopped
    assert signal.getsignal(asked) is before
