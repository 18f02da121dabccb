"""Ledgers that are read again from the beginning, or put back from an old backup."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from looptest.drawing import draw_folder
from looptest.evidence import Evidence, rows, unbalanced
from looptest.program import log_of, new_home, running, succeed, wait_until

from azaion_common.platform.ledger.digests import digest_of_rows

INTAKE = ("--only", "ingestor", "--only", "augmentor")
SERVICES = ("ingestor", "augmentor")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    """A home that has taken in six pictures."""
    home = new_home(tmp_path / "home", {})
    take_in(home, tmp_path, first=0)
    return Evidence(home)


def take_in(home: Path, tmp_path: Path, *, first: int) -> None:
    """Import six pictures and work until everything is settled."""
    folder = draw_folder(tmp_path / f"set-{first}", 6, seed=first + 1, prefix=f"part{first}n")
    succeed("annotations", "import", folder, home=home)
    work(home, first + 6)


def work(home: Path, pictures: int) -> None:
    evidence = Evidence(home)
    with running(home, *INTAKE):
        wait_until(lambda: len(augmented(evidence)) == pictures and evidence.settled(), "rest", 90)


def augmented(evidence: Evidence) -> Counter[tuple[Any, ...]]:
    """How often each revision of each picture was announced as augmented."""
    return Counter((each["name"], each["revision"]) for each in evidence.of_type("batch.augmented"))


def state(evidence: Evidence) -> list[object]:
    """What the two services hold, and how many events they have ever published."""
    sent = [rows(evidence.ledger(each), "SELECT * FROM outbox_sequence") for each in SERVICES]
    return [digest_of_rows(evidence.picture_rows()), digest_of_rows(evidence.variant_rows()), sent]


def test_reading_everything_again_changes_nothing(evidence: Evidence) -> None:
    """Twice from the first message on, into the same ledgers: the same rows, and no event more."""
    before = state(evidence)
    for _ in range(2):
        for service in SERVICES:
            with closing(sqlite3.connect(evidence.ledger(service))) as ledger, ledger:
                ledger.execute(
                    "UPDATE inbox_cursor SET next_offset = 0, last_sha256 = NULL,"
                    " before_rewind = applied + passed_over + quarantined"
                )
        work(evidence.home, 6)

        assert state(evidence) == before
    books = json.loads(succeed("doctor", "--json", home=evidence.home))
    assert books["balanced"]


@pytest.mark.parametrize("service", ["ingestor", pytest.param("augmentor", marks=pytest.mark.faults)])
def test_a_ledger_from_an_old_backup_loses_and_repeats_nothing(
    evidence: Evidence, tmp_path: Path, service: str
) -> None:
    """It finds out that it is old, numbers its events anew, and does again what it does not know of: for readers, once."""
    backup = shutil.copy(evidence.ledger(service), tmp_path / "backup")
    take_in(evidence.home, tmp_path, first=6)
    for file in evidence.ledger(service).parent.glob(f"{service}.sqlite*"):
        file.unlink()
    shutil.copy(backup, evidence.ledger(service))
    take_in(evidence.home, tmp_path, first=12)

    assert any("ledger.is_an_old_copy" in line for line in log_of(evidence.home))
    assert len(evidence.pictures()) == 18
    assert len({row[1] for row in evidence.variant_rows()}) == 18
    assert len(augmented(evidence)) == 18
    if (
        service == "ingestor"
    ):  # an augmentor that has forgotten announces again; the trainer knows the revision
        assert set(augmented(evidence).values()) == {1}
    assert unbalanced(evidence) == []
