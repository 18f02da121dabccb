"""``azaion package``: the whole way of a model by hand, and one clear error for each thing that can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from azaion_common.core.errors import AzaionError
from azaion_common.platform.cli import package as package_commands

Run = Callable[..., Any]


@pytest.fixture
def run() -> Run:
    """Run ``azaion package ...``; an error comes out as it would reach the root of the program."""
    app = typer.Typer()
    package_commands.register(app)

    def invoke(*arguments: object) -> str:
        outcome = CliRunner().invoke(app, ["package", *map(str, arguments)], catch_exceptions=True)
        if outcome.exception is not None:
            raise outcome.exception
        return outcome.stdout

    return invoke


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes(range(256)) * 100)
    return path


@pytest.fixture
def sealed(run: Run, model: Path) -> tuple[Path, Path]:
    """A sealed package and its fleet key."""
    package, key = model.with_name("model.mpkg"), model.with_name("fleet.key")
    run("seal", model, package, "--key", key, "--release", "[bold]r1", "--hw", "cpu")
    return package, key


def test_a_model_goes_the_whole_way(run: Run, model: Path, sealed: tuple[Path, Path], tmp_path: Path) -> None:
    """Seal, split, join, verify and open give the model back, and the machine-readable facts fit together."""
    package, key = sealed
    parts = json.loads(run("split", package, "--json"))
    joined = tmp_path / "joined.mpkg"
    facts = json.loads(run("join", parts["small"], parts["big"], joined, "--json"))
    wrapped = ("--key", key, "--wrapped-key", f"{package}.cek")
    verified = json.loads(run("verify", joined, *wrapped, "--json"))
    run("open", joined, tmp_path / "opened.onnx", *wrapped)

    assert (tmp_path / "opened.onnx").read_bytes() == model.read_bytes()
    assert joined.read_bytes() == package.read_bytes()
    assert parts["small_bytes"] + parts["big_bytes"] == facts["package_size_bytes"]
    assert verified["checked"] == "everything"
    assert (verified["release"], verified["format"], verified["hw"]) == ("[bold]r1", "onnx", ["cpu"])


def test_a_small_part_can_be_inspected(run: Run, sealed: tuple[Path, Path]) -> None:
    """People see what the header says, texts as they are, hashes on one line."""
    run("split", sealed[0])

    printed = run("inspect", f"{sealed[0]}.small")

    assert "[bold]r1" in printed
    assert json.loads(run("inspect", sealed[0], "--json"))["plaintext_sha256"] in printed


def test_verifying_without_a_key_says_so(run: Run, sealed: tuple[Path, Path]) -> None:
    """Nobody takes a look at the structure for a proof of the content."""
    assert "structure only" in run("verify", sealed[0])


@pytest.mark.parametrize(
    "arguments",
    [
        ("seal", "model.onnx", "model.mpkg", "--key", "fleet.key", "--release", "r2"),
        ("open", "model.mpkg", "model.onnx", "--key", "fleet.key"),
        ("split", "model.mpkg", "--big", "model.onnx"),
        ("join", "model.onnx", "model.onnx", "model.mpkg"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_file_is_replaced_unasked(
    run: Run, sealed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """A destination that is there is refused, with the way out; nothing is changed."""
    monkeypatch.chdir(sealed[0].parent)
    before = {path.name: path.read_bytes() for path in Path().iterdir()}

    with pytest.raises(AzaionError) as refusal:
        run(*arguments)

    assert (refusal.value.code, refusal.value.hint) == ("file_exists", "add --force to replace it")
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_force_replaces(run: Run, model: Path, sealed: tuple[Path, Path]) -> None:
    """With --force a new package and its new wrapped key take the place of the old ones."""
    package, key = sealed
    before = package.read_bytes()

    run("seal", model, package, "--key", key, "--release", "r2", "--force")

    assert package.read_bytes() != before
    assert json.loads(run("verify", package, "--key", key, "--json"))["release"] == "r2"


def test_another_fleet_cannot_open(run: Run, sealed: tuple[Path, Path], tmp_path: Path) -> None:
    """The wrong fleet key is refused and no model is written."""
    other = tmp_path / "other.key"
    other.write_bytes(bytes(32))

    with pytest.raises(AzaionError) as refusal:
        run("open", sealed[0], tmp_path / "opened", "--key", other)

    assert refusal.value.code == "key_unwrap_failed"
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("inspect", "model.onnx"), "package_header_invalid"),
        (("inspect", "nothing"), "source_unreadable"),
        (("verify", "model.mpkg", "--key", "nothing"), "fleet_key_missing"),
        (("verify", "model.mpkg", "--key", "model.onnx"), "fleet_key_invalid"),
        (("verify", "model.mpkg", "--key", "fleet.key", "--wrapped-key", "nothing"), "wrapped_key_missing"),
        (("seal", "nothing", "new.mpkg", "--key", "fleet.key", "--release", "r"), "source_unreadable"),
        (
            ("seal", "model.onnx", "no/new.mpkg", "--key", "fleet.key", "--release", "r"),
            "folder_missing",
        ),
        (
            ("seal", "model.onnx", "new.mpkg", "--key", "fleet.key", "--release", "é"),
            "package_header_invalid",
        ),
        (("join", "model.mpkg", "model.mpkg", "new.mpkg"), "package_parts_mismatch"),
    ],
)
def test_each_mistake_has_its_code(
    run: Run,
    sealed: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: str,
) -> None:
    """A wrong file, key, folder or name is one error with a stable code, and leaves no new file."""
    monkeypatch.chdir(sealed[0].parent)
    before = sorted(Path().iterdir())

    with pytest.raises(AzaionError) as refusal:
        run(*arguments)

    assert refusal.value.code == code
    assert sorted(Path().iterdir()) == before
