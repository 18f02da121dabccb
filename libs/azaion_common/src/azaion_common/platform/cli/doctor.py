"""``azaion doctor``: does everything add up, and is anything stuck?"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from azaion_common.core.errors import PermanentError
from azaion_common.platform.cli.examination import ServiceReport, examine
from azaion_common.platform.cli.options import Home
from azaion_common.platform.cli.output import print_json, stdout_console
from azaion_common.platform.cli.release_books import ReleaseBooks, release_books
from azaion_common.platform.cli.run_records import read_runs
from azaion_common.platform.ledger.accounting import StreamAccount
from azaion_common.platform.runtime.settings import PlatformSettings, home_from
from azaion_common.platform.runtime.verification import Verification, last_verification

_COLUMNS = (
    "service",
    "stream",
    "cursor",
    "in",
    "applied",
    "quarantined",
    "lag",
    "balance",
    "outbox",
    "dead letters",
)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(doctor)


def doctor(
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,  # noqa: FBT002
) -> None:
    """Show lag, outbox, dead letters and the books of every service: in = applied + quarantined + lag."""
    folder = home_from(home)
    reports = asyncio.run(examine(folder))
    releases = asyncio.run(release_books(folder, PlatformSettings.load(folder, "platform")))
    verified = last_verification(folder)
    runs = asyncio.run(read_runs(folder))
    streams = [stream for report in reports for stream in report.streams]
    balanced = all(stream.balanced for stream in streams)
    halted = [stream for stream in streams if stream.halted]
    if as_json:
        print_json(
            {
                "balanced": balanced,
                "services": [asdict(report) for report in reports],
                "releases": [asdict(each) for each in releases],
                "blobs": asdict(verified) if verified else None,
                "last_training": runs[-1].facts() if runs else None,
            }
        )
    else:
        stdout_console().print(_table(reports))
        for each in releases:
            typer.echo(_release_line(each))
        typer.echo(_last_look(verified))
        if runs:
            typer.echo(
                f"last training: {runs[-1].state}, on the {runs[-1].hardware or 'hardware that it did not tell'}"
            )
    _raise_first_problem(balanced=balanced, verified=verified, halted=halted, releases=releases)


def _raise_first_problem(
    *,
    balanced: bool,
    verified: Verification | None,
    halted: list[StreamAccount],
    releases: list[ReleaseBooks],
) -> None:
    if not balanced:
        raise PermanentError(
            "books_do_not_balance", "some messages are neither applied, nor quarantined, nor pending"
        )
    if verified is not None and not verified.sound:
        raise PermanentError(
            "blobs_rotten",
            f"{len(verified.unhealed)} blobs are not what their names say",
            hint="azaion blobs verify --heal",
        )
    if halted:
        raise PermanentError("stream_halted", f"{halted[0].stream} is not read on: {halted[0].halted}")
    for each in releases:
        if each.problem is not None:
            raise PermanentError(
                "release_in_vain",
                f"devices do not take release {each.last} for {each.target}: {each.problem}",
                hint="start the publisher, which signs its current release; or publish again: azaion publish MODEL",
            )


def _release_line(books: ReleaseBooks) -> str:
    line = f"releases for {books.target}: the highest is {books.highest}"
    if books.lost:
        line += ", which the publisher's ledger does not know: it was lost; numbers go on above it"
    return line if books.problem is None else f"{line}; {books.last}, the last, is IN VAIN ({books.problem})"


def _last_look(found: Verification | None) -> str:
    if found is None:
        return "blobs: never verified (azaion blobs verify)"
    state = "sound" if found.sound else f"{len(found.unhealed)} ROTTEN (azaion blobs verify --heal)"
    return f"blobs: verified {found.at:%Y-%m-%d %H:%M} UTC, {found.blobs} of them, {state}"


def _table(reports: list[ServiceReport]) -> Table:
    table = Table(*_COLUMNS)
    for report in reports:
        owed = (str(report.outbox), str(report.dead_letters))
        for stream in report.streams:
            table.add_row(report.service, stream.stream, *_figures(stream), *owed)
        if not report.streams:
            table.add_row(report.service, "-", "", "", "", "", "", "", *owed)
    return table


def _figures(stream: StreamAccount) -> tuple[str, ...]:
    counts = (stream.next_offset, stream.messages_in, stream.applied, stream.quarantined, stream.pending)
    balance = "[red]HALTED[/red]" if stream.halted else "ok" if stream.balanced else "[red]WRONG[/red]"
    return (*map(str, counts), balance)
