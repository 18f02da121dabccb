"""Images take no file from the package index but those whose hashes the repository has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import install_locked
import pytest
from install_locked import canonical, fetched, locked, with_libraries

ROOT = Path(__file__).parents[2]
HASHES = (ROOT / "deploy/docker/hashes.txt").read_text()
PINNED = [ROOT / "constraints.txt", *(ROOT / "deploy/docker").glob("requirements-*.txt")]


@pytest.mark.parametrize("pins", PINNED, ids=lambda path: path.name)
def test_every_pinned_package_has_its_hashes(pins: Path) -> None:
    """`make lock` wrote both, and nobody changed one alone."""
    wanted = [
        f"{canonical(name)}=={version}"
        for name, _, version in (line.partition("==") for line in pins.read_text().splitlines())
        if version and not name.startswith("#")
    ]

    assert locked(wanted, HASHES).count("--hash=sha256:") >= len(wanted) > 1


def test_what_has_no_hash_is_not_installed() -> None:
    """A version that nobody has locked ends the build, and says so."""
    with pytest.raises(SystemExit, match=r"stranger==1.0: no hash"):
        locked(["stranger==1.0"], HASHES)


def test_folders_of_this_repository_need_no_hash() -> None:
    """What pip would fetch is locked, under its canonical name; what lies here is not fetched."""
    report = {
        "install": [
            {"download_info": {"dir_info": {}}, "metadata": {"name": "azaion-common", "version": "0.1.0"}},
            {"download_info": {"archive_info": {}}, "metadata": {"name": "PyYAML", "version": "6.0.3"}},
        ]
    }

    assert fetched(report) == ["pyyaml==6.0.3"]


def test_a_package_brings_the_libraries_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service is installed with what it needs of libs/, and what that needs; what is installed already is left alone."""
    needs = {
        "services/eater": [],
        "libs/azaion_bread": ["azaion-flour"],
        "libs/azaion_flour": [],
        "libs/azaion_water": [],
    }
    for folder, names in needs.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "pyproject.toml").write_text(f'[project]\nname = "x"\ndependencies = {names}\n')
    (tmp_path / "services/eater/pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["azaion-bread>=1", "numpy"]\n'
        '[project.optional-dependencies]\ndrinks = ["azaion-water"]\nproduction = []\n'
    )
    monkeypatch.chdir(tmp_path)

    found = with_libraries(["./services/eater[production]"])

    assert found == ["./services/eater[production]", "./libs/azaion_bread", "./libs/azaion_flour"]
    assert "./libs/azaion_water" in with_libraries(["./services/eater[production,drinks]"])
    monkeypatch.setattr(install_locked, "is_installed", lambda name: name == "azaion_bread")
    assert with_libraries(["./services/eater"]) == ["./services/eater"]


def test_nothing_is_run_before_its_hash_is_known(tmp_path: Path) -> None:
    """A source package that an index slips in has no chance to say what it needs: pip would run it for that."""
    ran, ours, stranger = tmp_path / "ran", tmp_path / "ours", tmp_path / "stranger-1.0"
    for folder in (ours, stranger):
        folder.mkdir()
    needs = 'name = "ours"\nversion = "1"\ndependencies = ["stranger"]\n'
    (ours / "pyproject.toml").write_text(f"[project]\n{needs}[tool.setuptools]\npy-modules = []\n")
    (stranger / "setup.py").write_text(
        f"open({str(ran)!r}, 'w')\nfrom setuptools import setup\nsetup(name='stranger', version='1.0')\n"
    )
    (stranger / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    shutil.make_archive(str(stranger), "gztar", tmp_path, stranger.name)

    done = subprocess.run(
        [sys.executable, install_locked.__file__, "./ours"],
        cwd=tmp_path,
        env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)},  # noqa: TID251 - for the child
        capture_output=True,
        check=False,
    )

    assert b"No matching distribution found for stranger" in done.stderr
    assert not ran.exists()


def test_no_image_installs_past_the_hashes() -> None:
    """What a Dockerfile installs by pip itself is what the person who builds it has given it, by name or as a wheel."""
    for image in (ROOT / "deploy/docker").glob("*.Dockerfile"):
        of_toolchain = image.name == "service.Dockerfile"
        by_pip = re.findall(r"pip install (.*?)(?: && |\\?\n)", image.read_text())
        assert [line for line in by_pip if "${" not in line] == (
            ["--quiet -r requirements-torch.txt", "--quiet -r requirements.txt"] if of_toolchain else []
        )
