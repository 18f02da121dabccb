"""What operators do: have dead letters tried again, and rebuild a ledger from its streams."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from looptest.drawing import draw_folder
from looptest.program import azaion, new_home, refusal, running, succeed, wait_until, write_settings
from PIL import Image
from typer.testing import CliRunner

from azaion_common.core.errors import AzaionError, PermanentError
from azaion_common.platform.cli.examination import examine
from azaion_common.platform.cli.root import build_app
from azaion_common.platform.runtime.dead_letters import every
from azaion_common.platform.runtime.transports import ledger_path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
REPLAYABLE = ("ingestor", "augmentor", "trainer")
INTAKE = ("--only", "ingestor", "--only", "augmentor", "--only", "trainer")
NARROW = {"ingestor": {"max_pixels": 20_000}}
"""Room for the pictures that are drawn, and not for one that is four times as large."""


@pytest.fixture(params=["embedded", "production"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An empty home, or one whose transports are servers."""
    if request.param == "production":
        request.getfixturevalue("servers")
    return new_home(tmp_path / "home", NARROW)


@pytest.fixture
def refused(home: Path, tmp_path: Path) -> Path:
    """The home after the intake of four pictures, one of which was refused as too large."""
    folder = draw_folder(tmp_path / "set", 4, seed=3)
    with Image.open(first := min((folder / "images").iterdir())) as picture:
        picture.resize((256, 192)).save(first)
    command("annotations", "import", folder, home=home)
    with running(home, *INTAKE):
        wait_until(lambda: applied(home, "trainer", "azaion.datasets") == 3, "three pictures", 90)
    return home


def applied(home: Path, service: str, stream: str) -> int:
    """How many messages of ``stream`` a service has applied; 0 while it has not begun."""
    time.sleep(0.3)
    try:
        reports = asyncio.run(examine(home))
    except AzaionError:
        return 0
    return sum(
        each.applied
        for report in reports
        for each in report.streams
        if (report.service, each.stream) == (service, stream)
    )


def command(*arguments: object, home: Path) -> str:
    """Run a command in this process, which is quicker; returns its stdout."""
    words = [*map(str, arguments), "--home", str(home)]
    done = CliRunner().invoke(build_app(), words, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def code_of(*arguments: object, home: Path) -> str:
    """The code with which a command is refused."""
    with pytest.raises(PermanentError) as caught:
        command(*arguments, home=home)
    return caught.value.code


def letters(home: Path, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(command("dead-letters", "list", "--json", *options, home=home))[
        "dead_letters"
    ]
    return found


def test_a_dead_letter_is_applied_once_its_cause_is_mended(refused: Path, tmp_path: Path) -> None:
    """Listed with its reason, kept as it came, tried again on request, then part of the books like any other.

    And a replay of each service, from the first message on, comes to the very tables that it has.
    """
    (letter,) = letters(refused)
    raw = tmp_path / "raw"
    shown = json.loads(command("dead-letters", "show", letter["id"], "--save", raw, "--json", home=refused))
    write_settings(refused, {})
    with running(refused, *INTAKE):
        said = command("dead-letters", "requeue", letter["id"], home=refused)
        wait_until(lambda: applied(refused, "trainer", "azaion.datasets") == 4, "the fourth picture", 60)
        replays = [json.loads(succeed("replay", name, "--json", home=refused)) for name in REPLAYABLE]

    assert (letter["id"], letter["reason"]) == ("ingestor/azaion-annotations/0", "picture_too_large")
    assert b"JFIF" in raw.read_bytes()
    assert shown["size_bytes"] == raw.stat().st_size
    assert said == "1 of 1 will be tried again\n"
    assert [each["state"] for each in letters(refused, "--all")] == ["applied"]
    check_books(refused, applied=4, quarantined=0)
    assert [each["same"] for each in replays] == [True, True, True], replays
    rows = {each["table"]: each["replayed"]["rows"] for report in replays[:2] for each in report["tables"]}
    assert rows.pop("augmented_variants") > 4
    assert rows == {"pictures": 4, "refused": 0, "augmented_pictures": 4}


@pytest.mark.parametrize("home", ["embedded"], indirect=True)
def test_what_is_not_mended_stays(refused: Path) -> None:
    """Trying again in vain costs nothing; wrong ids are told; a ledger that its stream does not lead to is found."""
    command("dead-letters", "requeue", "--all", home=refused)
    assert [each["state"] for each in letters(refused)] == ["requeued"]
    with running(refused, "--only", "ingestor"):
        wait_until(lambda: asyncio.run(every(refused))[0].state == "open", "a second refusal", 60)
    assert [(each["state"], each["reason"]) for each in letters(refused)] == [("open", "picture_too_large")]
    check_books(refused, applied=3, quarantined=1)

    for arguments, code in (
        (("show", "ingestor/azaion-annotations/99"), "dead_letter_unknown"),
        (("requeue", "nobody/x/1"), "dead_letter_unknown"),
        (("requeue",), "which_letters"),
    ):
        assert code_of("dead-letters", *arguments, home=refused) == code

    with closing(sqlite3.connect(ledger_path(refused, "ingestor"))) as ledger, ledger:
        ledger.execute("UPDATE pictures SET width = 7 WHERE name = (SELECT min(name) FROM pictures)")
    line, code = refusal(azaion("replay", "ingestor", home=refused))
    assert code == "replay_differs"
    assert "pictures" in line
    assert refusal(azaion("replay", "exporter", home=refused))[1] == "not_replayable"


def check_books(home: Path, **counts: int) -> None:
    """They balance, and those of the ingestor say ``counts``."""
    report = json.loads(command("doctor", "--json", home=home))
    (ingestor,) = [each for each in report["services"] if each["service"] == "ingestor"]
    assert report["balanced"]
    assert {name: ingestor["streams"][0][name] for name in counts} == counts
