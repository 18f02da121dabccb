"""What somebody has written to a place of their choice does not land among what a home keeps for itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import AzaionError
from azaion_common.platform.cli.root import build_app
from azaion_common.testing import platform as open_platform

WRITING = (
    "data export {}",
    "data export {} --dataset latest",
    "dead-letters show ingestor/1 --save {}",
    "infer clip.mp4 --save {}",
    "infer clip.mp4 --lines {}",
)


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    async with open_platform(tmp_path / "home"):
        pass
    Catalogue.from_names(["car"]).dump(tmp_path / "home" / "catalogue.yaml")
    (tmp_path / "link").symlink_to(tmp_path / "home" / "data")
    return tmp_path / "home"


def code_of(home: Path, command: str) -> str:
    error = CliRunner().invoke(build_app(), [*command.split(), "--home", str(home)]).exception
    assert isinstance(error, AzaionError)
    return error.code


@pytest.mark.parametrize("place", ["home/data/x", "home/blobs/x", "home/catalogue.yaml", "link/x"])
@pytest.mark.parametrize("command", WRITING)
def test_nothing_is_written_among_what_a_home_keeps(home: Path, command: str, place: str) -> None:
    """Views, stores and settings of a home are refused as a target, also through a link, and nothing is made there."""
    before = sorted(home.rglob("*"))

    assert code_of(home, command.format(home.parent / place)) == "target_in_home"
    assert sorted(home.rglob("*")) == before


def test_an_export_goes_elsewhere(home: Path) -> None:
    """A folder of pictures in the home is refused wherever it would lie; results beside the services' folders are not."""
    assert code_of(home, f"data export {home}/mine") == "target_in_home"
    assert code_of(home, f"data export {home.parent}/mine") == "nothing_to_export"
    assert code_of(home, f"infer {home}/clip.mp4 --save {home}/results/film.mp4") != "target_in_home"


def test_a_backup_goes_elsewhere(home: Path) -> None:
    """A link that leads into the home is in it."""
    (home / "data").mkdir(exist_ok=True)

    assert code_of(home, f"backup {home.parent}/link/copy") == "folder_in_use"
