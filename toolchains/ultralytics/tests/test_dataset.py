"""What is said about a data.yaml before anything is trained; needs PyYAML, no torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from azaion_ultralytics.dataset import read_dataset, write_dataset
from azaion_ultralytics.errors import ToolchainError

GOOD = "path: .\ntrain: train.txt\nval: images\nnames: [car, bus]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.JPG").write_bytes(b"x")
    (tmp_path / "train.txt").write_text("./images/a.JPG\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "data.yaml").write_text(GOOD)
    return tmp_path


def test_paths_are_relative_to_the_file(folder: Path) -> None:
    """A data.yaml works from any current directory."""
    data = read_dataset(folder / "data.yaml", sides=("train", "val"))

    assert data["train"] == [str(folder / "train.txt")]
    assert data["val"] == [str(folder / "images")]
    assert data["names"] == {0: "car", 1: "bus"}


def test_a_download_script_is_dropped(folder: Path) -> None:
    """Code in a data.yaml is never run: what is handed on holds the known keys only."""
    (folder / "data.yaml").write_text(GOOD + "download: |\n  import os\n")

    written = write_dataset(read_dataset(folder / "data.yaml", sides=("train",)), folder / "resolved.yaml")

    assert "download:" not in written.read_text()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("path: [", "is not YAML"),
        ("- a\n- b\n", "is not a YAML mapping"),
        (GOOD.replace("names: [car, bus]", ""), "has no class 'names'"),
        (GOOD.replace("[car, bus]", "{0: car, 2: bus}"), "class ids .* are not 0 to 1"),
        (GOOD.replace("train: train.txt", ""), "names no pictures for 'train'"),
        (GOOD.replace("train.txt", "nowhere.txt"), "'train' of .* is missing: .*nowhere.txt"),
        (GOOD.replace("val: images", "val: empty"), "there are no pictures in 'val'"),
    ],
)
def test_a_broken_dataset_is_one_clear_line(folder: Path, content: str, complaint: str) -> None:
    """Each fault has its own words and the code dataset_unreadable."""
    (folder / "data.yaml").write_text(content)

    with pytest.raises(ToolchainError, match=complaint) as caught:
        read_dataset(folder / "data.yaml", sides=("train", "val"))
    assert caught.value.code == "dataset_unreadable"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The line says which file could not be read."""
    with pytest.raises(ToolchainError, match=r"cannot read .*data\.yaml: No such file"):
        read_dataset(tmp_path / "data.yaml", sides=("train",))
