"""``azaion annotations import`` as a person and as a program sees it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import typer
from PIL import Image
from PIL.ExifTags import Base
from typer.testing import CliRunner, Result

from azaion_annotations.commands.annotations import register
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import AzaionError

MakePicture = Callable[..., bytes]


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
    assert "4 pictures (yolo), 2 boxes: 4 new, 0 changed, 0 unchanged, 1 will be quarantined" in result.stdout


def test_notes_of_one_kind_are_one_line(yolo_folder: Path, tmp_path: Path, picture: MakePicture) -> None:
    """Twenty pictures with the same note are counted in one line with three of their names; ``--json`` has all."""
    exif = Image.Exif()
    exif[Base.Orientation] = 3
    for number in range(20):
        image = picture(shade=10 + number, exif=exif)
        (yolo_folder / "images" / f"held_{number:02}.jpg").write_bytes(image)
        (yolo_folder / "labels" / f"held_{number:02}.txt").write_text("0 0.5 0.5 0.2 0.2\n")

    told = run(yolo_folder, "--home", tmp_path / "a").stderr
    report = json.loads(run(yolo_folder, "--home", tmp_path / "b", "--json").stdout)

    assert (told.count("turned_by_exif"), told.count(".jpg"), told.count("and 17 more")) == (1, 3, 1)
    assert len(report["remarks"]) == 20


def test_notes_of_one_kind_that_differ_say_each_what_they_have_to(yolo_folder: Path, tmp_path: Path) -> None:
    """Two files that are refused for one reason are one row, with what is wrong in each."""
    for name, words in (("clip_000", "0 x"), ("clip_001", "0 y")):
        (yolo_folder / "labels" / f"{name}.txt").write_text(words)

    told = run(yolo_folder, "--home", tmp_path / "home").stderr

    assert told.count("labels_malformed") == 1
    assert ("'x'" in told, "'y'" in told) == (True, True)


def test_a_useless_folder_leaves_no_trace(tmp_path: Path) -> None:
    """An error, and no home that is half made."""
    (tmp_path / "set").mkdir()

    assert code_of(run(tmp_path / "set", "--home", tmp_path / "home")) == "folder_empty"
    assert not (tmp_path / "home").exists()


def test_a_new_home_takes_the_folders_own_classes(yolo_folder: Path, tmp_path: Path) -> None:
    """The error without them says how; a second folder with the same classes is taken, and further classes are added."""
    home, second = tmp_path / "home", tmp_path / "second"
    (yolo_folder / "data.yaml").write_text("names: [cell, plate]\n")

    refused = run(yolo_folder, "--home", home)
    assert isinstance(refused.exception, AzaionError)
    assert (refused.exception.code, "--catalogue own" in (refused.exception.hint or "")) == (
        "unknown_class",
        True,
    )

    assert run(yolo_folder, "--home", home, "--catalogue", "own").exit_code == 0
    assert run(yolo_folder, "--home", home).exit_code == 0
    shutil.copytree(yolo_folder, second)
    assert run(second, "--home", home, "--catalogue", "own").exit_code == 0
    (second / "data.yaml").write_text("names: [rod, cell]\n")
    added = run(second, "--home", home, "--catalogue", "own", "--json")

    assert json.loads(added.stdout)["classes_added"] == ["rod"]
    catalogue = Catalogue.load(home / "catalogue.yaml")
    assert [entry.name for entry in catalogue.classes] == ["cell", "plate", "rod"]


def test_conditions_in_the_folders_own_classes_are_no_classes(yolo_folder: Path, tmp_path: Path) -> None:
    """``car (Wint)`` among a folder's own classes is a car in winter, for a new home and for one that gains it."""
    (yolo_folder / "data.yaml").write_text("names: [car, car (Wint)]\n")
    second = shutil.copytree(yolo_folder, tmp_path / "second")
    (second / "data.yaml").write_text("names: [car, bus (Night)]\n")

    new = run(yolo_folder, "--home", tmp_path / "home", "--catalogue", "own")
    grown = run(second, "--home", tmp_path / "home", "--catalogue", "own", "--json")

    assert new.exit_code == 0
    assert json.loads(grown.stdout)["classes_added"] == ["bus"]
    catalogue = Catalogue.load(tmp_path / "home" / "catalogue.yaml")
    assert [entry.name for entry in catalogue.classes] == ["car", "bus"]


def test_a_catalogue_of_somebody_elses_is_not_written_to(yolo_folder: Path, tmp_path: Path) -> None:
    """Where the home's settings name a file outside, the error says which classes it lacks."""
    (tmp_path / "home").mkdir()
    Catalogue.from_names(["cat"]).dump(tmp_path / "shared.yaml")
    settings = f"platform: {{catalogue: {tmp_path / 'shared.yaml'}}}\n"
    (tmp_path / "home" / "azaion.yaml").write_text(settings)

    assert code_of(run(yolo_folder, "--home", tmp_path / "home", "--catalogue", "own")) == "catalogue_differs"


def test_settings_that_are_there_stay_with_their_comments(yolo_folder: Path, tmp_path: Path) -> None:
    """A home with settings of its own takes the folder's classes, too."""
    (tmp_path / "home").mkdir()
    settings = tmp_path / "home" / "azaion.yaml"
    settings.write_text("trainer: {epochs: 3}  # quick\n")

    assert run(yolo_folder, "--home", tmp_path / "home", "--catalogue", "own").exit_code == 0
    assert settings.read_text() == ("trainer: {epochs: 3}  # quick\nplatform:\n  catalogue: catalogue.yaml\n")


def test_a_class_number_without_a_name_is_told_as_such(yolo_folder: Path, tmp_path: Path) -> None:
    """With the folder's own classes it is the folder that lacks the name; advice to do what was done helps nobody."""
    (yolo_folder / "labels" / "clip_000.txt").write_text("7 0.5 0.5 0.1 0.1\n")

    result = run(yolo_folder, "--home", tmp_path / "home", "--catalogue", "own")

    assert "the folder has labels of classes that it does not name: class 7" in result.stdout
    assert "has no class 'class 7'" in result.stderr
    assert "slot" not in result.stderr
    assert "--catalogue own" not in result.stdout


def test_labels_that_cannot_be_read_say_what_is_wrong(yolo_folder: Path, tmp_path: Path) -> None:
    """A decimal comma is named as what is no number; nothing is said of JSON, which nobody wrote."""
    (yolo_folder / "labels" / "clip_000.txt").write_text("0 0,5 0.5 0.1 0.1\n")

    report = json.loads(run(yolo_folder, "--home", tmp_path / "home", "--json").stdout)

    assert [(each["reason"], each["message"]) for each in report["quarantined"]] == [
        ("labels_malformed", "its labels cannot be read: '0,5' is no number")
    ]
