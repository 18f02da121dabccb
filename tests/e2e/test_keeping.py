"""Keeping a home: rotten blobs, backups, and what may be thrown away."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from looptest.drawing import draw_folder, write_picture
from looptest.evidence import Evidence, torn_blobs, unbalanced, unsound_databases
from looptest.program import PROGRAM, azaion, log_of, new_home, refusal, running, succeed, wait_until

pytestmark = pytest.mark.timeout(300)
INTAKE = ("--only", "ingestor", "--only", "augmentor")
PICTURES = 4


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home into which pictures have come, at rest."""
    home = new_home(tmp_path / "home")
    succeed("annotations", "import", draw_folder(tmp_path / "set", PICTURES, seed=3), home=home)
    with running(home, *INTAKE):
        wait_until(lambda: len(Evidence(home).of_type("batch.augmented")) == PICTURES, "augmented pictures")
        wait_until(Evidence(home).settled, "rest")
    return home


def spoil(path: Path) -> None:
    """Flip one byte, as a disk does: every link to the file shows it."""
    path.chmod(0o644)
    data = path.read_bytes()
    path.write_bytes(data[:9] + bytes([data[9] ^ 1]) + data[10:])
    path.chmod(0o444)


def test_rotten_blobs_are_found_and_healed(home: Path) -> None:
    """An original heals from the messages that brought it, a variant and its labels from the original; links follow."""
    evidence = Evidence(home)
    original = evidence.blob(evidence.picture_rows()[0][3])
    variants = [row for row in evidence.variant_rows() if row[0].endswith("+3")]
    image, labels = variants[0][2], variants[-1][4]
    lost = evidence.blob(evidence.picture_rows()[1][3])
    assert "never verified" in succeed("doctor", home=home)
    succeed("blobs", "verify", home=home)
    for path in (original, evidence.blob(image), evidence.blob(labels)):
        spoil(path)
    lost.unlink()

    line, code = refusal(azaion("blobs", "verify", home=home))
    assert (code, line.startswith("error: 3 of ")) == ("blobs_rotten", True)
    looked = azaion("doctor", home=home)
    assert "3 ROTTEN" in looked.stdout
    assert refusal(looked)[1] == "blobs_rotten"
    healed = json.loads(succeed("blobs", "verify", "--heal", "--json", home=home))

    assert set(healed["rotten"]) == {original.name, image, labels}
    assert set(healed["healed"]) == {original.name, image, labels, lost.name}
    assert healed["missing"] == [lost.name]
    assert healed["links_mended"] >= 2
    assert torn_blobs(evidence) == []
    assert json.loads(succeed("doctor", "--json", home=home))["blobs"]["healed"] == healed["healed"]
    shown = [path for view in ("data", "data-processed") for path in evidence.view_files(view)]
    assert original.stat().st_nlink == 3  # itself, in data/ and in data-processed/
    assert all(path.read_bytes() for path in shown)
    again = json.loads(succeed("blobs", "verify", "--json", home=home))
    assert (again["rotten"], again["sound"]) == ([], True)


def test_a_backup_under_load_restores_to_a_home_that_adds_up(home: Path, tmp_path: Path) -> None:
    """Taken while pictures come in, it goes on like after a power cut: nothing lost, nothing twice, no new epoch."""
    more, restored = 24, tmp_path / "restored"
    folder = draw_folder(tmp_path / "more", more, seed=4)
    with running(home, *INTAKE):
        importing = subprocess.Popen([*PROGRAM, "annotations", "import", str(folder), "--home", str(home)])
        wait_until(lambda: len(Evidence(home).pictures()) > PICTURES, "first new picture")
        before = len(Evidence(home).pictures())
        backup = json.loads(succeed("backup", tmp_path / "backup", "--json", home=home))
        assert importing.wait(60) == 0
        wait_until(Evidence(home).settled, "rest")
    shutil.copytree(tmp_path / "backup", restored)
    with running(restored, *INTAKE):
        wait_until(Evidence(restored).settled, "rest")

    evidence = Evidence(restored)
    assert backup["rotten"] == []
    assert before <= len(evidence.pictures())
    assert len(evidence.of_type("batch.augmented")) == len(evidence.pictures())
    assert len(evidence.view_files("data-processed")) == len(evidence.pictures()) * 8 * 2
    assert (unbalanced(evidence), torn_blobs(evidence), unsound_databases(evidence)) == ([], [], [])
    said = " ".join(log_of(restored))
    for event in ("ledger.is_an_old_copy", "stream.read_again", "outbox.log_lost_events", "blob_missing"):
        assert event not in said
    succeed("doctor", home=restored)
    for service in ("ingestor", "augmentor"):
        assert json.loads(succeed("replay", service, "--json", home=restored))["same"]
    again = json.loads(succeed("gc", "--json", home=restored))
    assert (again["freed_bytes"], again["kept_blobs"]) == (0, len(list(restored.glob("blobs/??/??/*"))))


def test_a_home_takes_the_room_that_the_documentation_says(tmp_path: Path) -> None:
    """Pictures of a usual size, taken in and augmented, take what docs/operations.md tells somebody who buys a disk."""
    count, folder = 12, tmp_path / "set"
    rng = np.random.default_rng(7)
    draw_folder(folder, count, seed=7)
    for path in sorted((folder / "images").iterdir()):
        coarse = rng.integers(40, 220, (72, 96, 3), dtype=np.uint8)
        write_picture(
            path, np.asarray(cv2.resize(coarse, (960, 720), interpolation=cv2.INTER_CUBIC), np.uint8)
        )
    home = new_home(tmp_path / "home")
    succeed("annotations", "import", folder, home=home)
    with running(home, *INTAKE):
        wait_until(lambda: len(Evidence(home).of_type("batch.augmented")) == count, "augmented pictures")
        wait_until(Evidence(home).settled, "rest")

    source = sum(path.stat().st_size for path in (folder / "images").iterdir())
    times, per_picture_kb = documented()
    expected = times * source + per_picture_kb * 1000 * count
    assert room_of(home) == pytest.approx(expected, rel=0.2)


def documented() -> tuple[float, float]:
    """The disk's row of the table of capacity: how many times the pictures, and KB for each."""
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    row = re.search(
        r"^\| disk of a home \| (\d+) times the pictures[^|]*, (\d+) KB per picture", text, re.MULTILINE
    )
    assert row is not None
    return float(row[1]), float(row[2])


def room_of(home: Path) -> int:
    """Bytes of blocks that files and folders of ``home`` take, links counted once."""
    found = {path.lstat().st_ino: path.lstat().st_blocks * 512 for path in [home, *home.rglob("*")]}
    return sum(found.values())
