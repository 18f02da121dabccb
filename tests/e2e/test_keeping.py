"""Keeping a home: rotten blobs, backups, and what may be thrown away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from looptest.drawing import draw_folder
from looptest.evidence import Evidence, torn_blobs
from looptest.program import azaion, new_home, refusal, running, succeed, wait_until

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
    *_, image, _, labels = next(row for row in evidence.variant_rows() if row[0].endswith("_3"))
    lost = evidence.blob(evidence.picture_rows()[1][3])
    assert "never verified" in succeed("doctor", home=home)
    succeed("blobs", "verify", home=home)
    for path in (original, evidence.blob(image), evidence.blob(labels)):
        spoil(path)
    lost.unlink()

    line, code = refusal(azaion("blobs", "verify", home=home))
    assert (code, line.startswith("error: 3 of ")) == ("blobs_rotten", True)
    assert "3 ROTTEN" in succeed("doctor", home=home)
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
