"""A full disk: work waits, says so, and goes on by itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from looptest.drawing import draw_folder
from looptest.evidence import Evidence, torn_blobs, unbalanced
from looptest.program import azaion, log_of, new_home, refusal, running, succeed, wait_until
from looptest.small_disk import fill, small_disk

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def home_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "home", mib=16) as disk:
        yield disk


def test_a_full_disk_stops_the_intake_and_loses_nothing(home_disk: Path, tmp_path: Path) -> None:
    """Without space pictures wait, and an import says so; with space again work goes on by itself to the end."""
    home, evidence = new_home(home_disk), Evidence(home_disk)
    folder = draw_folder(tmp_path / "set", 12, seed=8)
    with running(home, "--only", "ingestor", "--only", "augmentor") as up:
        up.process.send_signal(signal.SIGSTOP)
        succeed("annotations", "import", folder, home=home)
        ballast = fill(home_disk)
        up.process.send_signal(signal.SIGCONT)
        wait_until(lambda: any("disk_full" in line for line in log_of(home)), "word of the full disk", 60)
        more = azaion("annotations", "import", draw_folder(tmp_path / "more", 3, seed=9), home=home)
        stored_without_space = len(evidence.pictures())
        ballast.unlink()
        wait_until(lambda: len(evidence.of_type("batch.augmented")) == 12, "augmented pictures", 60)
        wait_until(evidence.settled, "rest", 60)

    assert refusal(more)[1] == "disk_full"
    assert stored_without_space < 12
    assert len(evidence.pictures()) == 12
    assert evidence.quarantined() == []
    assert len(evidence.view_files("data-processed")) == 12 * 8 * 2
    assert torn_blobs(evidence) == []
    assert unbalanced(evidence) == []
