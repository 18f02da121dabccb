"""What a generated folder promises: the YOLO layout, whole or absent, the same each time."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from azaion_annotations.origins import recording_of
from azaion_annotations.publish import prepare_import
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import PermanentError
from azaion_demo.scenes import generate_pictures
from azaion_demo.scenes.pen import Pixels

pytestmark = pytest.mark.slow

SIZE = (192, 256)


class Killed(BaseException):
    """Stands for the process being killed."""


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def _records(folder: Path) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads((folder / "scenes.json").read_text())["pictures"]
    return records


def read(path: Path) -> Pixels:
    return np.asarray(cv2.imread(str(path)), np.uint8)


def kill_at(wanted: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == wanted:
            raise Killed

    return progress


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenes") / "pictures"
    generate_pictures(path, 7, seed=3, size=SIZE)
    return path


def test_the_folder_has_the_yolo_layout(folder: Path) -> None:
    """Every picture has its size and its labels; names and classes are where trainers look for them."""
    images, labels = sorted((folder / "images").iterdir()), sorted((folder / "labels").iterdir())

    assert [path.stem for path in images] == [path.stem for path in labels]
    assert len(images) == 7
    assert {read(path).shape for path in images} == {(*SIZE, 3)}
    names = Catalogue.default().slot_names()
    assert tuple((folder / "classes.txt").read_text().splitlines()) == names
    assert yaml.safe_load((folder / "data.yaml").read_text())["names"] == dict(enumerate(names))


def test_labels_are_normalised_and_inside(folder: Path) -> None:
    """YOLO lines hold a class and centre and size as shares of the picture."""
    lines = [line.split() for path in (folder / "labels").iterdir() for line in path.read_text().splitlines()]

    assert lines
    for class_id, *numbers in lines:
        x, y, width, height = map(float, numbers)
        assert Catalogue.default().decode(int(class_id))[0] in {0, 1, 2}
        assert width > 0
        assert height > 0
        assert -1e-6 <= x - width / 2 < x + width / 2 <= 1 + 1e-6
        assert -1e-6 <= y - height / 2 < y + height / 2 <= 1 + 1e-6


def test_pictures_of_a_place_are_known_as_one_recording(folder: Path) -> None:
    """The manifest tells location, condition and time, so that a split can keep recordings together."""
    pictures = _records(folder)

    assert [entry["location"] for entry in pictures] == [0, 0, 0, 1, 1, 1, 2]
    assert [entry["time_s"] for entry in pictures][:3] == [0, 2, 4]
    for location in range(3):
        assert len({entry["condition"] for entry in pictures if entry["location"] == location}) == 1


def test_names_tell_an_import_the_place_and_the_time(folder: Path) -> None:
    """What reads file names finds one recording per place, its pictures a frame apart."""
    names = sorted(path.stem for path in (folder / "images").iterdir())

    assert [recording_of(name) for name in names[:4]] == [
        ("place-0000", 0),
        ("place-0000", 1),
        ("place-0000", 2),
        ("place-0001", 0),
    ]


def test_an_import_brings_the_condition_of_every_box(folder: Path) -> None:
    """Labels carry slots, so a vehicle in winter arrives as one in winter."""
    plan = prepare_import(folder, Catalogue.default()).plan
    winter = {record["name"] for record in _records(folder) if record["condition"] == "Wint"}

    assert not plan.quarantined
    for message in plan.messages:
        assert all(name.endswith(" (Wint)") == (message.name in winter) for name in message.boxes)
    assert any(name.endswith(" (Wint)") for message in plan.messages for name in message.boxes)


def test_pictures_of_a_place_look_alike(folder: Path) -> None:
    """Two frames of a recording are nearer to each other than to another place."""
    small = [
        cv2.resize(read(path), (8, 6), interpolation=cv2.INTER_AREA).astype(int)
        for path in sorted((folder / "images").iterdir())
    ]

    assert abs(small[0] - small[1]).mean() < abs(small[0] - small[3]).mean()


def test_all_three_conditions_occur(tmp_path: Path) -> None:
    """Twelve pictures already show every condition."""
    pictures = generate_pictures(tmp_path / "p", 12, seed=1, size=(96, 128))

    assert {picture.condition for picture in pictures} == {"Norm", "Wint", "Night"}


def test_the_same_seed_gives_the_same_files(folder: Path, tmp_path: Path) -> None:
    """A folder can be made again anywhere, byte for byte."""
    generate_pictures(tmp_path / "again", 7, seed=3, size=SIZE)

    assert digest(tmp_path / "again") == digest(folder)


def test_a_finished_folder_is_reused(folder: Path) -> None:
    """Asking again for what is there draws nothing and returns the same pictures."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    calls: list[int] = []

    pictures = generate_pictures(
        folder, 7, seed=3, size=SIZE, progress=lambda done, total: calls.append(done)
    )

    assert not calls
    assert [picture.image.exists() and picture.labels.exists() for picture in pictures] == [True] * 7
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_killed_run_leaves_no_folder_and_is_continued(folder: Path, tmp_path: Path) -> None:
    """After a kill the wanted folder does not exist; the next call draws only what is missing, to the same bytes."""
    wanted = tmp_path / "pictures"
    with pytest.raises(Killed):
        generate_pictures(wanted, 7, seed=3, size=SIZE, progress=kill_at(4))
    assert not wanted.exists()
    (work,) = tmp_path.iterdir()
    drawn = {path.name: path.stat().st_mtime_ns for path in (work / "images").iterdir()}
    (work / "images" / ".torn.jpg.1234.tmp").write_bytes(b"half a picture")

    generate_pictures(wanted, 7, seed=3, size=SIZE)

    assert len(drawn) == 4
    assert digest(wanted) == digest(folder)
    assert {name: (wanted / "images" / name).stat().st_mtime_ns for name in drawn} == drawn
    assert list(tmp_path.iterdir()) == [wanted]


def test_progress_counts_up_to_the_total(tmp_path: Path) -> None:
    """Each finished picture is told once."""
    calls: list[tuple[int, int]] = []

    generate_pictures(
        tmp_path / "p", 2, seed=3, size=(96, 128), progress=lambda done, total: calls.append((done, total))
    )

    assert calls == [(1, 2), (2, 2)]


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    """A folder that was made beforehand is no obstacle."""
    assert len(generate_pictures(tmp_path, 1, seed=3, size=(96, 128))) == 1


@pytest.mark.parametrize("content", ["notes.txt", "scenes.json"])
def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, content: str) -> None:
    """Nothing is overwritten or mixed."""
    (tmp_path / content).write_text("mine")

    with pytest.raises(PermanentError, match="scenes_folder_taken"):
        generate_pictures(tmp_path, 1, seed=3)

    assert (tmp_path / content).read_text() == "mine"


def test_another_seed_does_not_pass_for_the_same(folder: Path) -> None:
    """A finished folder is reused only for the arguments it was made with."""
    with pytest.raises(PermanentError, match="scenes_folder_taken"):
        generate_pictures(folder, 7, seed=4, size=SIZE)


@pytest.mark.parametrize(("count", "size"), [(0, SIZE), (1, (10, 10))])
def test_nonsense_is_refused(tmp_path: Path, count: int, size: tuple[int, int]) -> None:
    """No pictures and tiny pictures are errors with a code."""
    with pytest.raises(PermanentError, match="scenes_invalid"):
        generate_pictures(tmp_path / "p", count, seed=1, size=size)
