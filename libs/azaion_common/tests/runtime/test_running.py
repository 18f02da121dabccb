"""Whether anybody works on a home, and commands that meet one whose services are only starting."""

from __future__ import annotations

import asyncio
import fcntl
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from azaion_common.platform.cli.examination import examine, lag
from azaion_common.platform.database.engine import sqlite_url
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.runtime.running import anything_runs, is_running
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import check_exists, ledger_path, log_path, open_log

SETTINGS = PlatformSettings()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "ledgers").mkdir()
    return tmp_path


def test_a_service_runs_while_its_process_holds_its_lock(home: Path) -> None:
    """Also while it is only starting; a file that a killed process left says nothing."""
    assert not is_running(home, SETTINGS, "trainer")
    with (home / "run" / "trainer.lock").open("w") as lock:
        assert not anything_runs(home)
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert is_running(home, SETTINGS, "trainer")
        assert not is_running(home, SETTINGS, "exporter")
        assert anything_runs(home)
    assert not is_running(home, SETTINGS, "trainer")


async def test_a_ledger_that_is_only_being_made_is_waited_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its file is there and its tables are not: no error, but a word and the books."""
    async with open_log(home, SETTINGS):
        pass
    ledger_path(home, "trainer").touch()
    with (home / "run" / "trainer.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        looking = asyncio.create_task(examine(home))
        await asyncio.sleep(0.3)
        assert not looking.done()
        async with Ledger.open(sqlite_url(ledger_path(home, "trainer")), "trainer", MetaData()):
            (report,) = await asyncio.wait_for(looking, 10)

    assert (report.service, report.outbox) == ("trainer", 0)
    assert "starting" in capsys.readouterr().err


async def test_a_service_that_died_at_its_first_start_has_never_run(home: Path) -> None:
    """Nothing is waited for that nobody makes."""
    ledger_path(home, "trainer").touch()
    async with open_log(home, SETTINGS) as log:
        assert await lag(home, log, "trainer") is None


async def test_a_log_that_is_only_being_made_is_waited_for(home: Path) -> None:
    """A home is not said to hold nothing while its services start."""
    with (home / "run" / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        looking = asyncio.create_task(asyncio.to_thread(check_exists, home, SETTINGS))
        await asyncio.sleep(0.2)
        assert not looking.done()
        log_path(home).parent.mkdir()
        log_path(home).touch()
        await asyncio.wait_for(looking, 10)
