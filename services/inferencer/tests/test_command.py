"""``azaion infer`` as a user meets it: a real model file, a real video, real outputs."""

from __future__ import annotations

import _thread
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import typer
from onnx import TensorProto, helper
from typer.testing import CliRunner, Result

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.packages import (
    FleetKeyWrapper,
    PackageMeta,
    load_or_create_fleet_key,
    new_content_key,
    seal_package,
    wrap_context,
    write_wrapped_key,
)
from azaion_inferencer.adapters.video_file import VideoFile
from azaion_inferencer.command import register
from azaion_inferencer.inference import Request, _interruptible, infer_source, slot_colours
from azaion_inferencer.latest import hinting_at_up
from azaion_inferencer.model_file import read_model_file
from azaion_inferencer.old_spellings import modern
from azaion_inferencer.ports import Frame, untold
from azaion_inferencer.summary import as_line

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


def run_command(*arguments: object) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return CliRunner().invoke(app, ["infer", *map(str, arguments)], catch_exceptions=False)


def azaion(*arguments: object) -> str:
    """Run the command and give what it wrote on stdout."""
    result = run_command(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_video_becomes_a_film_and_lines(runtime: str, kit: Kit, model: Path, tmp_path: Path) -> None:
    """Every fourth frame has a line with the boxes in pixels of the video; the summary adds up."""
    film, lines, out = kit.film(tmp_path / "in.mp4"), tmp_path / "out.jsonl", tmp_path / "out.mp4"

    written = azaion(film, "--model", model, "--save", out, "--lines", lines, "--json", "--runtime", runtime)

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

    sealed = json.loads(azaion(film, "--model", package, "--key", key, "--json"))

    plain = json.loads(azaion(film, "--model", model, "--json"))
    assert sealed["model_id"] == plain["model_id"]
    assert sorted(tmp_path.iterdir()) == before


def test_a_truncated_video_leaves_what_was_found(kit: Kit, model: Path, tmp_path: Path) -> None:
    """A video whose end turns out to be missing is an error; film and lines of what there was stay, and it is said."""
    film = kit.film(tmp_path / "in.mkv", count=200)
    film.write_bytes(film.read_bytes()[:2500])
    out, told = tmp_path / "out", list[str]()

    with pytest.raises(PermanentError) as refused:
        infer_source(
            Request(source=str(film), model=model, home=tmp_path, save=out / "a.mp4", lines=out / "a.jsonl"),
            lambda _code, sentence: told.append(sentence),
        )

    assert refused.value.code == "video_unreadable"
    lines = (out / "a.jsonl").read_text().splitlines()
    frames = sum(1 for _ in VideoFile(out / "a.mp4").frames())
    assert (len(lines), frames) > (0, 0)
    assert told == [f"kept what there is: {out}/a.mp4 ({frames} frames), {out}/a.jsonl ({len(lines)} lines)"]


@pytest.mark.parametrize(
    ("model_name", "code"),
    [("nowhere.onnx", "model_missing"), ("latest", "home_missing"), ("in.mp4", "model_unreadable")],
)
def test_a_model_that_cannot_be_had_is_named(model_name: str, code: str, kit: Kit, tmp_path: Path) -> None:
    """A missing model, none, or something that is none: one typed error each, before any output."""
    film = kit.film(tmp_path / "in.mp4", count=2)
    name = model_name if model_name == "latest" else tmp_path / model_name

    with pytest.raises(PermanentError) as refused:
        azaion(film, "--model", name, "--lines", tmp_path / "out.jsonl", "--home", tmp_path / "home")

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
@pytest.mark.parametrize("live", [False, True])
def test_a_signal_ends_a_run_in_order_and_a_second_one_at_once(
    asked: signal.Signals,
    live: bool,  # noqa: FBT001
    kit: Kit,
) -> None:
    """Ctrl-C and a request to terminate stop the source; who is in a hurry asks twice."""
    source, stop, before = kit.source(1, live=live), Event(), signal.getsignal(asked)
    caught: list[signal.Signals] = []

    def ask_twice() -> None:
        with _interruptible(source, stop, caught):
            deliver(asked)
            assert stop.is_set()
            assert source.stopped
            deliver(asked)

    with pytest.raises(KeyboardInterrupt):
        ask_twice()

    assert caught == [asked]
    assert signal.getsignal(asked) is before


@pytest.mark.parametrize(("asked", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_file_keeps_what_there_is(
    asked: signal.Signals, code: int, kit: Kit, model: Path
) -> None:
    """Ctrl-C in the middle of a film: lines and film up to there stay, it is said where, and the exit code tells."""
    folder = model.parent
    lines, out = folder / "out.jsonl", folder / "out.mp4"

    with signal_at_frame(20, asked):
        result = run_command(
            kit.film(folder / "in.mp4", 4000), "--model", model, "--lines", lines, "--save", out, "--json"
        )

    assert result.exit_code == code
    assert json.loads(result.stdout)["interrupted_by"] == asked.name
    written = [json.loads(line)["frame"] for line in lines.read_text().splitlines()]
    assert written == list(range(0, written[-1] + 1, 4))
    assert 16 <= written[-1] < 3996
    filmed = sum(1 for _ in VideoFile(out).frames())
    assert f"{out} ({filmed} frames), {lines} ({len(written)} lines)" in result.stderr


@contextmanager
def signal_at_frame(number: int, asked: signal.Signals) -> Iterator[None]:
    """The main thread has a signal when a video file comes to a frame (no real one: see ``deliver``)."""
    frames = VideoFile.frames

    def interrupted(self: VideoFile) -> Iterator[Frame]:
        for frame in frames(self):
            if frame.number == number:
                _thread.interrupt_main(asked)
            yield frame

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VideoFile, "frames", interrupted)
        yield


@pytest.mark.parametrize(
    ("arguments", "understood", "notes"),
    [
        ("v.mp4 --json", "v.mp4 --json", 0),
        ("--json v.mp4", "--json v.mp4", 0),
        ("--json v.mp4 --lines o.jsonl", "--json v.mp4 --lines o.jsonl", 0),
        ("v.mp4 --json --save o.mp4", "v.mp4 --json --save o.mp4", 0),
        ("v.mp4 --json o.jsonl", "v.mp4 --lines o.jsonl", 1),
        ("v.mp4 --json o.jsonl --save o.mp4", "v.mp4 --lines o.jsonl --save o.mp4", 1),
        ("v.mp4 --save o.mp4 --json o.jsonl", "v.mp4 --save o.mp4 --lines o.jsonl", 1),
        ("--save o.mp4 --json v.mp4", "--save o.mp4 --json v.mp4", 0),
        ("--json o.jsonl v.mp4", "--lines o.jsonl v.mp4", 1),
        ("--json o.jsonl --every 2 v.mp4", "--lines o.jsonl --every 2 v.mp4", 1),
        ("--json v.mp4 --every 2", "--json v.mp4 --every 2", 0),
        ("--json=o.jsonl v.mp4", "--lines o.jsonl v.mp4", 1),
        ("v.mp4 --json-lines o.jsonl", "v.mp4 --lines o.jsonl", 1),
        ("v.mp4 --json-lines=o.jsonl", "v.mp4 --lines o.jsonl", 1),
        ("v.mp4 --summary-json", "v.mp4 --json", 1),
        ("v.mp4 --json o.jsonl --summary-json", "v.mp4 --lines o.jsonl --json", 2),
        ("--summary-json --json v.mp4", "--json --json v.mp4", 1),
        ("--model --json v.mp4 --json", "--model --json v.mp4 --json", 0),
        ("--json -- v.mp4", "--json -- v.mp4", 0),
        ("v.mp4 --json o.jsonl -- ", "v.mp4 --lines o.jsonl --", 1),
    ],
)
def test_old_spellings_are_understood_and_the_source_is_never_taken_for_a_file(
    arguments: str, understood: str, notes: int
) -> None:
    """``--json`` is a flag; a file behind it is the lines' file only where something else is the source."""
    result = modern(arguments.split(), {"--save", "--every", "--model", "--lines"})

    assert " ".join(result.arguments) == understood
    assert len(result.notes) == notes


def test_an_old_command_line_works_with_a_note(kit: Kit, model: Path, tmp_path: Path) -> None:
    """What a script of 0.1 says is done, and it is told how that is said now."""
    result = run_command(
        kit.film(tmp_path / "in.mp4", 8), "--json", tmp_path / "o.jsonl", "--model", model, "--summary-json"
    )

    assert result.exit_code == 0, result.output
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 2
    assert json.loads(result.stdout)["frames"]["read"] == 8
    assert "note: --json FILE is called --lines FILE now" in result.stderr
    assert "note: --summary-json is called --json now" in result.stderr


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"save": "in.mp4"}, "output_is_input"),
        ({"lines": "in.mp4"}, "output_is_input"),
        ({"lines": "model.onnx"}, "output_is_input"),
        ({"save": "out.mp4", "lines": "out.mp4"}, "output_is_input"),
        ({"save": "out.avi"}, "film_unsupported"),
        ({"save": "out.JPG"}, "film_unsupported"),
        ({"save": "in.mp4/out.mp4"}, "folder_missing"),
        ({"lines": "in.mp4/out.jsonl"}, "folder_missing"),
    ],
)
def test_outputs_that_cannot_be_meant_are_refused(
    options: dict[str, str], code: str, kit: Kit, model: Path, tmp_path: Path
) -> None:
    """An input is never written over, and nothing gets a name that says something else than what it is."""
    film = kit.film(tmp_path / "in.mp4", 4)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    paths: dict[str, Any] = {name: tmp_path / value for name, value in options.items()}

    with pytest.raises(PermanentError) as refused:
        infer_source(Request(source=str(film), model=model, home=tmp_path, **paths), untold)

    assert refused.value.code == code
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("y.pt", b"PK\x03\x04rest", "is a PyTorch checkpoint"),
        ("y.bin", b"\x80\x02rest", "is a PyTorch checkpoint"),
        ("m.engine", b"\0\0", "is a model of another runtime"),
        ("notes.txt", b"not a model\n", "is text"),
        ("photo.onnx", b"\xff\xd8\xff\xe0", "is a picture"),
        ("empty.onnx", b"", "is empty"),
        ("sealed.onnx", b"\x89MPKG\r\n\x1a", "is a sealed package"),
    ],
)
def test_what_is_no_model_is_called_what_it_is(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    """A checkpoint, a text, a picture: one line that names it, and what to do instead."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(PermanentError, match=said) as refused:
        read_model_file(tmp_path / name)

    assert refused.value.code == "model_unreadable"
    assert refused.value.hint
    if "PyTorch" in said:
        assert "export it first: azaion export" in refused.value.hint


def test_an_api_that_does_not_answer_is_asked_after() -> None:
    """Who has not started the services is told how."""
    with pytest.raises(TransientError) as refused, hinting_at_up():
        raise TransientError("api_unavailable", "the API does not answer")

    assert "azaion up" in (refused.value.hint or "")


def test_names_of_classes_cannot_steer_the_terminal() -> None:
    """What a model's file calls its classes is shown as text."""
    facts = {
        "frames": {"read": 1, "inferred": 1, "skipped": 0, "dropped": {}, "with_detections": 1},
        "detections": {"\x1b[31mcar": 1},
        "seconds": {"wall": 0.1},
        "written": [],
    }

    assert r"\x1b[31mcar" in as_line(facts)
    assert "\x1b" not in as_line(facts)
