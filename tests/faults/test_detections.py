"""Nothing that was found is lost at the edge: power cuts at random moments, a camera away for hours, a full disk.

``make test-faults`` cuts the power 20 times (seed and number from ``AZAION_FAULTS_SEED`` and ``AZAION_FAULTS_KILLS``);
the ordinary suite has a short version. After each kill the test does what a power cut does and a kill does not: of what
was not synced it takes away the end, from a random byte on, or leaves zeros in its place.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from faulttest.figures import tell
from faulttest.power_cut import Record, record, records, tear

ROOT = Path(__file__).parents[2]
_READ = os.environ.get  # noqa: TID251 - how a fault run is repeated
_LIVES_S = (0.3, 2.5)
_START_S = 60.0

Line = tuple[str, int]
"""The run that wrote it, and its frame."""


def power_cuts(folder: Path, cuts: int) -> None:
    seed = int(_READ("AZAION_FAULTS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"power cuts with AZAION_FAULTS_SEED={seed}")  # noqa: T201 - how this run is repeated
    chance, acknowledged, torn = random.Random(seed), list[Line](), 0
    for number in range(cuts):
        safe = live_and_die(folder, f"run-{number}", f"{seed}-{number}", chance.uniform(*_LIVES_S))
        newest = max(folder.glob("*.jsonl"))
        torn += tear(newest, safe_until(newest.read_bytes(), set(safe)), chance)
        acknowledged += safe
    settle(folder)

    found = Counter(map(name, records(folder)))
    lost = [line for line in acknowledged if not found[line]]
    twice = [line for line, times in found.items() if times > 1]
    tell(
        f"{cuts} power cuts: {len(acknowledged)} detections acknowledged, {len(lost)} of them lost, {len(twice)} lines "
        f"twice, {torn} bytes torn away, {found.total()} lines in {len(list(folder.iterdir()))} files"
    )
    assert (lost, twice) == ([], [])
    assert len(acknowledged) > cuts
    assert len(list(folder.iterdir())) < cuts + found.total() * 150 / 20_000 + 2


def live_and_die(folder: Path, run: str, seed: str, seconds: float) -> list[Line]:
    """What the device says is safe until it is killed, ``seconds`` after it began to say so."""
    command = [sys.executable, "-m", "faulttest.edge", str(folder), run, seed]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}  # noqa: TID251 - a child's
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as device:
        assert device.stdout is not None
        first = device.stdout.readline()
        time.sleep(seconds)
        device.kill()
        said = first + device.stdout.read()
    whole = said[: said.rfind("\n") + 1].splitlines()
    return [(name, int(frame)) for name, frame in (line.split() for line in whole)]


def safe_until(content: bytes, safe: set[Line]) -> int:
    end, at = 0, 0
    for line in content.splitlines(keepends=True):
        at += len(line)
        if key(line) in safe:
            end = at
    return end


def key(line: bytes) -> Line | None:
    found = record(line)
    return name(found) if found else None


def name(found: Record) -> Line:
    return found["model_id"], found["frame"]


def settle(folder: Path) -> None:
    """One more start, which repairs what the last power cut left."""
    live_and_die(folder, "last", "last", 0.1)
    newest = max(folder.glob("*.jsonl"))
    newest.write_bytes(newest.read_bytes()[: newest.read_bytes().rfind(b"\n") + 1])


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_few_power_cuts_cost_no_acknowledged_detection(tmp_path: Path) -> None:
    """Killed and torn at random moments, with a camera that goes away and a disk that fills up: what was said to be
    safe is in the files exactly once, and every line parses.
    """
    power_cuts(tmp_path, 3)


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_twenty_power_cuts_cost_no_acknowledged_detection(tmp_path: Path) -> None:
    """The same after 20 power cuts."""
    power_cuts(tmp_path, int(_READ("AZAION_FAULTS_KILLS") or 20))
