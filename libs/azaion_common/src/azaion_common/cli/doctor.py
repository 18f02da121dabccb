"""``azaion doctor``: does everything add up, and is anything stuck?"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import MetaData

from azaion_common.cli.output import stdout_console
from azaion_common.cli.services import Home
from azaion_common.errors import PermanentError
from azaion_common.ledger.accounting import StreamAccount, account, cursors, outbox_depth
from azaion_common.ledger.ledger import Ledger, sqlite_url
from azaion_common.runtime.embedded import log_path
from azaion_common.runtime.settings import home_from
from azaion_common.streams.sqlite import SqliteEventLog


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """The books of one service."""

    service: str
    outbox: int
    streams: list[StreamAccount]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(doctor)


def doctor(
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,  # noqa: FBT002
) -> None:
    """Show lag, outbox and the books of every service: in = applied + quarantined + pending."""
    reports = asyncio.run(examine(home_from(home)))
    balanced = all(stream.balanced for report in reports for stream in report.streams)
    if as_json:
        sys.stdout.write(
            json.dumps({"balanced": balanced, "services": [asdict(report) for report in reports]}) + "\n"
        )
    else:
        stdout_console().print(_table(reports))
    if not balanced:
        raise PermanentError(
            "books_do_not_balance", "some messages are neither applied, nor quarantined, nor pending"
        )


async def examine(home: Path) -> list[ServiceReport]:
    """The books of every ledger in ``home``; it may be in use meanwhile.

    Raises:
        PermanentError: ``home_missing``.
    """
    if not log_path(home).exists():
        raise PermanentError(
            "home_missing", f"{home} holds no event log", hint="name the right folder with --home"
        )
    async with SqliteEventLog.open(log_path(home)) as log:
        return [await _examine_ledger(log, path) for path in sorted((home / "ledgers").glob("*.sqlite"))]


async def _examine_ledger(log: SqliteEventLog, path: Path) -> ServiceReport:
    async with Ledger.open(sqlite_url(path), path.stem, MetaData()) as ledger:
        found = await ledger.read(cursors)
        depth = await ledger.read(outbox_depth)
    return ServiceReport(path.stem, depth, [await account(log, cursor) for cursor in found])


def _table(reports: list[ServiceReport]) -> Table:
    table = Table("service", "stream", "in", "applied", "quarantined", "pending", "balance", "outbox")
    for report in reports:
        for stream in report.streams:
            counts = (stream.messages_in, stream.applied, stream.quarantined, stream.pending)
            balance = "ok" if stream.balanced else "[red]WRONG[/red]"
            table.add_row(report.service, stream.stream, *map(str, counts), balance, str(report.outbox))
        if not report.streams:
            table.add_row(report.service, "-", "", "", "", "", "", str(report.outbox))
    return table
