"""The judge of the fault runs is itself on trial: it has to see each kind of damage."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from looptest.evidence import Evidence
from looptest.released import Released
from looptest.verdict import problems

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(600)]

EPOCHS = 2


@pytest.fixture
def home(released: Released, tmp_path: Path) -> Path:
    """A copy in which views are links to blobs, as in the original."""
    linked: dict[int, str] = {}

    def copy(source: str, target: str) -> None:
        known = linked.setdefault(Path(source).stat().st_ino, target)
        shutil.copy2(source, target) if known == target else os.link(known, target)

    shutil.copytree(released.home, tmp_path / "home", copy_function=copy)
    return tmp_path / "home"


def verdict(released: Released, home: Path, refused: Counter[str] | None = None) -> list[str]:
    names = {path.stem for path in (released.pictures / "images").iterdir()}
    return problems(home, {"data": names, "data-seed": set()}, refused or Counter(), EPOCHS)


def change(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute(statement).rowcount > 0
        connection.commit()


def tear_a_blob(evidence: Evidence) -> None:
    victim = next(evidence.home.glob("blobs/??/??/*"))
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes()[:-1])


def lose_a_variant(evidence: Evidence) -> None:
    evidence.view_files("data-processed")[0].unlink()


def leave_a_temporary(evidence: Evidence) -> None:
    (evidence.home / "data" / "images" / ".name.jpg.123.tmp").touch()


def copy_instead_of_linking(evidence: Evidence) -> None:
    picture = evidence.view_files("data/images")[0]
    content = picture.read_bytes()
    picture.unlink()
    picture.write_bytes(content)


def forget_a_picture(evidence: Evidence) -> None:
    change(evidence.ledger("ingestor"), "DELETE FROM pictures WHERE name = (SELECT min(name) FROM pictures)")


def say_it_twice(evidence: Evidence) -> None:
    change(
        evidence.log,
        "INSERT INTO messages SELECT stream, 100000, properties, body, appended_at FROM messages "
        "WHERE stream = 'azaion.images' AND offset = 3",
    )


def train_twice(evidence: Evidence) -> None:
    change(
        evidence.log,
        "INSERT INTO messages SELECT stream, offset + 1000, properties, body, appended_at FROM messages "
        "WHERE stream = 'azaion.models'",
    )


def cook_the_books(evidence: Evidence) -> None:
    change(evidence.ledger("augmentor"), "UPDATE inbox_cursor SET applied = applied + 1")


def lose_the_release(evidence: Evidence) -> None:
    sha256 = str(evidence.of_type("model.published")[0]["big"]["sha256"])
    (evidence.home / "releases" / sha256[:2] / sha256[2:4] / sha256).unlink()


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (tear_a_blob, "torn blob"),
        (lose_a_variant, "missing data-processed/"),
        (leave_a_temporary, "unexpected data/"),
        (copy_instead_of_linking, "is no link to a blob"),
        (forget_a_picture, "ledger misses"),
        (say_it_twice, "image.saved twice"),
        (train_twice, "model.trained 2 times"),
        (cook_the_books, "books of augmentor"),
        (lose_the_release, "is missing"),
    ],
)
def test_damage_is_seen(
    damage: Callable[[Evidence], None], complaint: str, home: Path, released: Released
) -> None:
    """A sound home is found sound; with the damage, the judge says which."""
    assert verdict(released, home) == []

    damage(Evidence(home))

    assert complaint in "\n".join(verdict(released, home))


def test_missing_quarantine_is_seen(home: Path, released: Released) -> None:
    """A bad picture that was let in is as wrong as a good one that was not."""
    assert "quarantine" in verdict(released, home, Counter({"picture_empty": 1}))[0]
