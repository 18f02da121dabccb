"""Kills of the whole system at random moments: after the last restart everything is there once, and whole.

``make test-faults`` kills 50 times (seed and number from ``AZAION_FAULTS_SEED`` and ``AZAION_FAULTS_KILLS``); the
ordinary suite has a short version. The judgement comes from ``looptest.verdict``, which imports nothing of the system.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from faulttest.figures import tell
from looptest.drawing import draw_folder
from looptest.evidence import Evidence
from looptest.program import Up, new_home, running, succeed, survivors, wait_until
from looptest.striking import STAGES, Striker, stage_of
from looptest.verdict import problems

EPOCHS = 3
SETTINGS: dict[str, dict[str, Any]] = {
    "ingestor": {"batch": 8},
    "trainer": {
        "min_new_pictures": 0,
        "min_map50": 0,
        "imgsz": 64,
        "epochs": EPOCHS,
        "batch": 16,
        "device": "cpu",
        "threads": 1,
        "overrides": {"workers": 0},
    },
    "exporter": {"threads": 1},
}
FULL = {"ingest": 10, "augment": 12, "train": 14, "export": 7, "publish": 7}
SHORT = {"ingest": 1, "augment": 1, "train": 1, "export": 1, "publish": 1}
STOP_S = 20.0
_READ = os.environ.get  # noqa: TID251 - how a fault run is repeated


def seed() -> int:
    return int(_READ("AZAION_FAULTS_SEED") or random.SystemRandom().randrange(2**32))


def quotas() -> dict[str, int]:
    """Kills per stage, ``AZAION_FAULTS_KILLS`` in all."""
    total = int(_READ("AZAION_FAULTS_KILLS") or sum(FULL.values()))
    shares = {stage: max(1, part * total // sum(FULL.values())) for stage, part in FULL.items()}
    shares["train"] += total - sum(shares.values())
    return shares


@dataclass
class Feeder:
    """Brings pictures in, a portion at a time: the first is trained on and has bad ones, later ones are seeds."""

    home: Path
    folder: Path
    names: dict[str, set[str]] = field(default_factory=lambda: {"data": set(), "data-seed": set()})
    refused: Counter[str] = field(default_factory=Counter)
    _numbers: count[int] = field(default_factory=count)

    def first(self, pictures: int) -> None:
        portion = self._draw(pictures)
        for name, content, reason in bad_pictures(portion):
            (portion / "images" / f"{name}.jpg").write_bytes(content)
            (portion / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.1 0.1\n")
            self.refused[reason] += 1
        self._bring(portion, "validator", "data")

    def more(self, pictures: int) -> None:
        self._bring(self._draw(pictures), "operator", "data-seed")

    def _draw(self, pictures: int) -> Path:
        number = next(self._numbers)
        return draw_folder(self.folder / str(number), pictures, seed=number)

    def _bring(self, portion: Path, role: str, view: str) -> None:
        succeed("annotations", "import", portion, "--role", role, home=self.home)
        images = (portion / "images").glob("scene*.jpg")
        self.names[view] |= {path.stem for path in images}


def bad_pictures(portion: Path) -> list[tuple[str, bytes, str]]:
    whole = min((portion / "images").iterdir()).read_bytes()
    return [
        ("empty", b"", "picture_empty"),
        ("text", b"this is no picture at all\n", "picture_unreadable"),
        ("half", whole[: len(whole) // 2], "picture_truncated"),
    ]


def storm(striker: Striker, feeder: Feeder, wanted: dict[str, int], portion: int) -> None:
    """Import, kill, restart, in all stages in turn; at the end the last process is gone and work may be left."""
    feeder.first(30)
    for number in range(wanted["ingest"]):
        if number:
            feeder.more(portion)
        striker.strike("ingest", reach=reach(number, wanted["ingest"]))
    for number in range(wanted["augment"]):
        if stage_of(Evidence(striker.home)) == "rest":
            feeder.more(portion)
        striker.strike("augment", reach=reach(number, wanted["augment"]))
    with running(striker.home) as up:
        striker.generations.append(up.generation)
        wait_until(Evidence(striker.home).settled, "rest")
    succeed("train", home=striker.home)
    for stage in ("train", "export", "publish"):
        for number in range(wanted[stage]):
            if striker.strike(stage, reach=reach(number, wanted[stage])) != stage:
                break
    while striker.hits.total() < sum(wanted.values()):
        feeder.more(portion)
        striker.strike("augment")


def reach(number: int, strikes: int) -> float:
    """Early strikes fall soon after a stage's work begins, so that each stage is hit; later ones go further."""
    return (number + 0.25) / strikes


def finish(striker: Striker) -> None:
    """One more start, left alone until nothing is left to do."""
    with running(striker.home) as up:
        striker.generations.append(up.generation)
        wait_until(Evidence(striker.home).settled, "rest", 600)


def kill_and_judge(tmp_path: Path, wanted: dict[str, int], portion: int) -> None:
    chosen, started = seed(), time.monotonic()
    print(f"kills with AZAION_FAULTS_SEED={chosen}")  # noqa: T201 - how this run is repeated
    home = new_home(tmp_path / "home", SETTINGS)
    striker, feeder = Striker(home, random.Random(chosen)), Feeder(home, tmp_path / "pictures")

    storm(striker, feeder, wanted, portion)
    finish(striker)

    tell(f"kills {striker.summary()}; {time.monotonic() - started:.0f} s")
    assert problems(home, feeder.names, feeder.refused, EPOCHS) == []
    assert [stage for stage in STAGES if not striker.hits[stage]] == []
    assert striker.hits.total() == sum(wanted.values())
    assert striker.children > 0
    wait_until(lambda: not survivors(striker.generations), "end of all orphans", STOP_S)
    succeed("doctor", home=home)


@pytest.mark.slow
@pytest.mark.toolchain
@pytest.mark.timeout(1200)
def test_a_few_kills_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """Killed in each stage, the loop still ends with every picture once, one model, no torn file, no orphan."""
    kill_and_judge(tmp_path, SHORT, portion=10)


@pytest.mark.faults
@pytest.mark.toolchain
@pytest.mark.timeout(7200)
def test_fifty_kills_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """The same after 50 kills."""
    kill_and_judge(tmp_path, quotas(), portion=25)


def stop_and_judge(tmp_path: Path, wanted: dict[str, int]) -> None:
    chosen = seed()
    print(f"stops with AZAION_FAULTS_SEED={chosen}")  # noqa: T201 - how this run is repeated
    home = new_home(tmp_path / "home", SETTINGS)
    striker, feeder = Striker(home, random.Random(chosen), end=stop), Feeder(home, tmp_path / "pictures")

    storm(striker, feeder, wanted, portion=15)
    finish(striker)

    tell(f"stops {striker.summary()}")
    assert problems(home, feeder.names, feeder.refused, EPOCHS) == []
    assert survivors(striker.generations) == []


def stop(up: Up) -> None:
    started = time.monotonic()
    assert up.terminate() == 0
    assert time.monotonic() - started < STOP_S


@pytest.mark.faults
@pytest.mark.toolchain
@pytest.mark.timeout(3600)
def test_stops_at_any_moment_are_clean(tmp_path: Path) -> None:
    """SIGTERM at a random moment of any stage: exit status 0 within 20 s, and nothing lost, repeated or left running."""
    stop_and_judge(tmp_path, {"ingest": 4, "augment": 4, "train": 6, "export": 3, "publish": 3})
