"""``azaion doctor``: the books of every service, as a person and as a program reads them."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import typer
from sqlalchemy import MetaData
from typer.testing import CliRunner, Result

from azaion_common.core.errors import AzaionError
from azaion_common.platform.cli import doctor, root
from azaion_common.platform.ledger import inbox
from azaion_common.platform.runtime.transports import ledger_path
from azaion_common.platform.streams import Message
from azaion_common.testing import platform


def run(*arguments: object) -> Result:
    app = typer.Typer()
    doctor.register(app)
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """Ten messages, of which a service has applied three, passed over two and quarantined one."""
    async with platform(tmp_path) as opened:
        await opened.log.append("bread", [Message(b"loaf")] * 10)
        async with opened.open_ledger("bakery", MetaData()) as ledger:
            outcomes: list[inbox.Outcome] = [
                "applied", "applied", "applied", "passed_over", "passed_over", "quarantined",
            ]  # fmt: skip
            await ledger.transact(lambda connection: inbox.progress(connection, "bread"))
            await ledger.transact(
                lambda connection: inbox.advance(connection, inbox.Passage("bread", 0, 6, b""), outcomes)
            )
    return tmp_path


def test_the_books_balance(home: Path) -> None:
    """In = applied + quarantined + pending; what was passed over is applied."""
    result = run("--home", home, "--json")

    assert result.exit_code == 0
    books = json.loads(result.stdout)
    assert books["balanced"]
    assert books["services"] == [
        {
            "service": "bakery",
            "outbox": 0,
            "dead_letters": 0,
            "streams": [
                {
                    "stream": "bread", "messages_in": 10, "applied": 5, "passed_over": 2, "quarantined": 1,
                    "pending": 4, "next_offset": 6, "read_again": 0, "halted": None,
                }
            ],
        }
    ]  # fmt: skip


def test_a_person_reads_a_table(home: Path) -> None:
    """The same figures, and whether they add up."""
    result = run("--home", home)

    assert result.exit_code == 0
    assert "bakery" in result.stdout
    assert "ok" in result.stdout


def test_books_that_do_not_balance_are_an_error(home: Path) -> None:
    """A message that is neither applied, nor quarantined, nor pending is told, with a status that a script sees."""
    with closing(sqlite3.connect(ledger_path(home, "bakery"))) as database:
        database.execute("UPDATE inbox_cursor SET applied = applied - 1")
        database.commit()

    result = run("--home", home, "--json")

    assert isinstance(result.exception, AzaionError)
    assert result.exception.code == "books_do_not_balance"
    assert not json.loads(result.stdout)["balanced"]


def test_what_was_found_is_the_only_object(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Books that do not balance are one JSON object on stdout; their error is on stderr, and no second object."""
    with closing(sqlite3.connect(ledger_path(home, "bakery"))) as database:
        database.execute("UPDATE inbox_cursor SET applied = applied - 1")
        database.commit()
    monkeypatch.setattr(sys, "argv", ["azaion", "doctor", "--home", str(home), "--json"])

    with pytest.raises(SystemExit):
        root.main()

    told = capsys.readouterr()
    assert not json.loads(told.out)["balanced"]
    assert "books_do_not_balance" in told.err


def test_a_folder_that_is_no_home_is_refused(tmp_path: Path) -> None:
    """And nothing is made there."""
    result = run("--home", tmp_path / "none")

    assert isinstance(result.exception, AzaionError)
    assert result.exception.code == "home_missing"
    assert not (tmp_path / "none").exists()
