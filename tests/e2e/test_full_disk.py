"""A full disk: work waits, says so, and goes on by itself."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from looptest.drawing import draw_folder
from looptest.evidence import Evidence, torn_blobs, unbalanced
from looptest.program import azaion, log_of, new_home, refusal, running, succeed, wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A home on a file system of its own, of 16 MiB."""
    disk = tmp_path / "home"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    with suppress(FileNotFoundError):
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            yield disk
            subprocess.run(["umount", "--lazy", str(disk)], check=True)
            return
    pytest.skip("a disk of its own needs the right to mount one")


def test_a_full_disk_stops_the_intake_and_loses_nothing(small_disk: Path, tmp_path: Path) -> None:
    """Without space pictures wait, and an import says so; with space again work goes on by itself to the end."""
    home, evidence = new_home(small_disk), Evidence(small_disk)
    folder = draw_folder(tmp_path / "set", 12, seed=8)
    with running(home, "--only", "ingestor", "--only", "augmentor") as up:
        up.process.send_signal(signal.SIGSTOP)
        succeed("annotations", "import", folder, home=home)
        ballast = fill(small_disk)
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


def fill(disk: Path) -> Path:
    """A file that takes all the space there is."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(os.urandom(4096))
    return ballast
