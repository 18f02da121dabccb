"""A home that somebody may look at and not write to: a snapshot, a mounted disk, the home of somebody else."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from azaion_common.platform.cli.root import build_app
from azaion_common.platform.database.engine import sqlite_url
from azaion_common.platform.jobs.sqlite import SqliteJobQueue
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.runtime.transports import ledger_path, log_path, queue_path
from azaion_common.platform.streams.sqlite import SqliteEventLog
from azaion_ingestor.tables import METADATA

Azaion = Callable[..., list[dict[str, Any]]]
LOOKING = [
    ["doctor"],
    ["settings"],
    ["models", "list"],
    ["jobs", "list"],
    ["devices", "list"],
    ["dead-letters", "list"],
    ["dataset", "list"],
    ["gc", "--dry-run"],
    ["blobs", "verify"],
]
WITHOUT = "-dac_override,-dac_read_search"
"""What root may do to the files of all others."""
PROGRAM = """
import contextlib, io, json, sys
from azaion_common.platform.cli.root import main

ended = []
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    told = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    with contextlib.redirect_stdout(told["stdout"]), contextlib.redirect_stderr(told["stderr"]):
        try:
            main()
        except SystemExit as ending:
            ended.append({"exit_code": ending.code, **{name: text.getvalue() for name, text in told.items()}})
json.dump(ended, sys.stdout)
"""
"""Several commands in one process: most of the time of one goes into its start."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home with a picture, a ledger and a queue, whose files nobody may change."""
    folder, home = tmp_path / "labelled", tmp_path / "home"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / "street.png")
    (folder / "street.txt").write_text("0 0.5 0.5 0.1 0.1")
    (folder / "classes.txt").write_text("car")
    words = ["annotations", "import", str(folder), "--catalogue", "own", "--home", str(home)]
    assert CliRunner().invoke(build_app(), words).exit_code == 0
    (home / "blobs" / "tmp").mkdir(parents=True)
    asyncio.run(_make_others(home))
    _close(home)
    yield home
    _open(home)


async def _make_others(home: Path) -> None:
    async with SqliteJobQueue.open(queue_path(home)) as jobs:
        await jobs.put("trainings", "a", "{}")
    async with Ledger.open(sqlite_url(ledger_path(home, "ingestor")), "ingestor", METADATA):
        pass


def _close(home: Path) -> None:
    for path in (home, *home.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)


def _open(home: Path) -> None:
    for folder, _, _ in os.walk(home):
        Path(folder).chmod(0o700)


@pytest.fixture
def azaion(home: Path) -> Azaion:
    """A function: runs commands on ``home`` as somebody whom the modes of files hold, and returns what each ended with."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("modes do not hold root, and setpriv is not installed")
    held = ["setpriv", "--bounding-set", WITHOUT, "--inh-caps", WITHOUT] if os.geteuid() == 0 else []

    def run(*commands: list[str]) -> list[dict[str, Any]]:
        wanted = json.dumps([[*words, "--home", str(home)] for words in commands])
        done = subprocess.run([*held, sys.executable, "-c", PROGRAM, wanted], capture_output=True, check=True)
        ended: list[dict[str, Any]] = json.loads(done.stdout)
        return ended

    return run


def test_a_home_that_cannot_be_written_to_can_be_looked_at(azaion: Azaion, home: Path) -> None:
    """Commands that only look make no file in a home, not even a lock, and find what is in it."""
    before = sorted(home.rglob("*"))

    ended = azaion(*([*words, "--json"] for words in LOOKING))

    assert [each["stderr"] for each in ended if each["exit_code"] != 0] == []
    found = {" ".join(words): json.loads(each["stdout"]) for words, each in zip(LOOKING, ended, strict=True)}
    assert [job["job_id"] for job in found["jobs list"]["pending"]] == ["a"]
    assert [each["service"] for each in found["doctor"]["services"]] == ["ingestor"]
    assert sorted(home.rglob("*")) == before


def test_work_on_a_home_that_cannot_be_written_to_is_refused(azaion: Azaion) -> None:
    """Who asks for work there is told in one line which file could not be written."""
    ended = azaion(["train"], ["annotations", "delete", "street"], ["run", "ingestor"], ["gc"])

    assert [each["exit_code"] for each in ended] == [1] * 4
    assert ["[not_writable]" in each["stderr"] and "Traceback" not in each["stderr"] for each in ended] == [
        True
    ] * 4


async def test_a_home_in_use_elsewhere_can_be_looked_at(azaion: Azaion, home: Path) -> None:
    """What somebody has open and writes through another mount is found by who may only read."""
    _open(home)
    async with SqliteEventLog.open(log_path(home)):
        _close(home)

        doctor, deleted = await asyncio.to_thread(
            azaion, ["doctor", "--json"], ["annotations", "delete", "street", "--json"]
        )

    assert json.loads(doctor["stdout"])["services"][0]["service"] == "ingestor"
    assert json.loads(deleted["stdout"])["error"]["code"] == "not_writable"


def test_a_rotten_database_that_cannot_be_written_to_is_one_error(azaion: Azaion, home: Path) -> None:
    """A log that lost its bytes is named, as in a home that can be written to, and no traceback."""
    log_path(home).chmod(0o600)
    log_path(home).write_bytes(b"no database" * 999)
    log_path(home).chmod(0o400)

    ended = azaion(["doctor", "--json"], ["gc", "--dry-run", "--json"])

    assert [json.loads(each["stdout"])["error"]["code"] for each in ended] == ["database_corrupt"] * 2
    assert ["Traceback" in each["stderr"] for each in ended] == [False] * 2


def test_a_home_that_is_closed_to_others_is_one_error(azaion: Azaion, home: Path) -> None:
    """Where nothing may be read, a line names the file, and no traceback."""
    (home / "streams").chmod(0)

    (doctor,) = azaion(["doctor", "--json"])

    assert (doctor["exit_code"], json.loads(doctor["stdout"])["error"]["code"]) == (1, "path_unusable")
    assert str(log_path(home)) in doctor["stderr"]
    assert "Traceback" not in doctor["stderr"]
