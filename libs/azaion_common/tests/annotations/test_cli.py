"""``azaion annotations import`` as a person and as a program sees it."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from typer.testing import CliRunner, Result

from azaion_common.cli.annotations import register
from azaion_common.errors import AzaionError
from azaion_common.runtime.transports import log_path


def run(*arguments: object) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, ["annotations", "import", *map(str, arguments)])


def code_of(result: Result) -> str:
    assert isinstance(result.exception, AzaionError)
    return result.exception.code


def test_a_machine_reads_one_object(yolo_folder: Path, tmp_path: Path) -> None:
    """``--json`` prints the report and nothing else on stdout."""
    result = run(yolo_folder, "--home", tmp_path / "home", "--json")

    report = json.loads(result.stdout)
    assert (report["pictures"], report["boxes"], report["appended"]) == (4, 3, 4)


def test_a_person_reads_what_will_be_quarantined(yolo_folder: Path, tmp_path: Path) -> None:
    """The table names the file and the reason."""
    (yolo_folder / "images" / "clip_000.jpg").write_bytes(b"")

    result = run(yolo_folder, "--home", tmp_path / "home")

    assert result.exit_code == 0
    assert "picture_empty" in result.stderr
    assert "4 pictures (yolo), 2 boxes: 4 sent" in result.stdout


def test_a_useless_folder_leaves_no_trace(tmp_path: Path) -> None:
    """An error, and no home that is half made."""
    (tmp_path / "set").mkdir()

    assert code_of(run(tmp_path / "set", "--home", tmp_path / "home")) == "folder_empty"
    assert not (tmp_path / "home").exists()


def test_a_new_home_takes_the_folders_own_classes(yolo_folder: Path, tmp_path: Path) -> None:
    """``--catalogue own`` sets the home's catalogue once; later another one is refused."""
    home = tmp_path / "home"
    (yolo_folder / "data.yaml").write_text("names: [cell, plate]\n")

    assert code_of(run(yolo_folder, "--home", home)) == "unknown_class"
    assert run(yolo_folder, "--home", home, "--catalogue", "own").exit_code == 0
    assert run(yolo_folder, "--home", home).exit_code == 0
    assert log_path(home).exists()
    (yolo_folder / "data.yaml").write_text("names: [cell, rod]\n")
    assert code_of(run(yolo_folder, "--home", home, "--catalogue", "own")) == "catalogue_differs"
