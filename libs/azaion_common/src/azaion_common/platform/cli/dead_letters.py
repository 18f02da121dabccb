"""``azaion dead-letters``: what was refused, why, and another chance for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from azaion_common.core.durable import storage_errors
from azaion_common.core.errors import PermanentError
from azaion_common.core.printable import printable
from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.output import print_json, stdout_console
from azaion_common.platform.cli.pending_work import tell_what_waits
from azaion_common.platform.ledger.letters import APPLIED, OPEN
from azaion_common.platform.runtime import dead_letters
from azaion_common.platform.runtime.dead_letters import DeadLetter
from azaion_common.platform.runtime.home import check_target
from azaion_common.platform.runtime.settings import home_from

_PREVIEW_BYTES = 200

Service = Annotated[str | None, typer.Option(help="Only of this service.")]
Reason = Annotated[str | None, typer.Option(help="Only with this reason.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group = typer.Typer(help="Messages and jobs that were refused: look at them, have them tried again.")
    group.command("list")(list_letters)
    group.command("show")(show)
    group.command("requeue")(requeue)
    app.add_typer(group, name="dead-letters")


def list_letters(
    home: Home = None,
    service: Service = None,
    reason: Reason = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that were applied since, too.")] = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """List what was refused and is not applied yet, one line each."""
    folder = home_from(home)
    found = _select(asyncio.run(dead_letters.every(folder)), service, reason)
    shown = [letter for letter in found if everything or letter.state != APPLIED]
    if as_json:
        print_json({"dead_letters": [_plain(letter) for letter in shown]})
        return
    if not shown:
        typer.echo("no dead letters")
        tell_what_waits(folder)
        return
    table = Table("id", "when (UTC)", "state", "reason", "message")
    for letter in shown:
        cells = (letter.id, _when(letter), letter.state, letter.reason, letter.message)
        table.add_row(*(escape(printable(cell)) for cell in cells))
    stdout_console().print(table)


def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As the list shows it.")],
    home: Home = None,
    save: Annotated[Path | None, typer.Option(help="Write the message, as it came, to this file.")] = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Show one dead letter and the first bytes of its message."""
    folder = home_from(home)
    if save is not None:
        check_target(folder, save)
    letter = _one(asyncio.run(dead_letters.every(folder)), letter_id)
    body = asyncio.run(dead_letters.body_of(folder, letter))
    if save is not None:
        with storage_errors(save):
            save.write_bytes(body)
    facts = _plain(letter) | {"size_bytes": len(body)}
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        typer.echo(f"{name:<12}{printable(str(value))}")
    typer.echo(f"{'begins':<12}{body[:_PREVIEW_BYTES]!r}")


def requeue(
    letter_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="As the list shows them.")
    ] = None,
    *,
    home: Home = None,
    everything: Annotated[bool, typer.Option("--all", help="Every open one.")] = False,
    service: Service = None,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Have dead letters tried again, once their cause is mended.

    The running service does so within seconds.
    """
    folder = home_from(home)
    found = asyncio.run(dead_letters.every(folder))
    if bool(letter_ids) == everything:
        raise PermanentError("which_letters", "say which ones", hint="name ids, or use --all")
    chosen = [_one(found, each) for each in letter_ids or ()] or _select(found, service, reason)
    waiting = [letter for letter in chosen if letter.state == OPEN]
    changed = asyncio.run(_requeue(folder, waiting))
    if as_json:
        print_json({"chosen": len(chosen), "requeued": changed})
    else:
        typer.echo(f"{changed} of {len(chosen)} will be tried again")


async def _requeue(home: Path, chosen: Sequence[DeadLetter]) -> int:
    return sum([await dead_letters.requeue(home, letter) for letter in chosen])


def _select(found: Sequence[DeadLetter], service: str | None, reason: str | None) -> list[DeadLetter]:
    return [
        letter
        for letter in found
        if (service is None or letter.id.partition("/")[0].partition(".")[0] == service)
        and reason in (None, letter.reason)
    ]


def _one(found: Sequence[DeadLetter], letter_id: str) -> DeadLetter:
    for letter in found:
        if letter.id == letter_id:
            return letter
    raise PermanentError(
        "dead_letter_unknown", f"no dead letter is called {letter_id}", hint="azaion dead-letters list --all"
    )


def _plain(letter: DeadLetter) -> dict[str, Any]:
    return asdict(letter) | {"at": _when(letter)}


def _when(letter: DeadLetter) -> str:
    return letter.at.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00") if letter.at else ""
