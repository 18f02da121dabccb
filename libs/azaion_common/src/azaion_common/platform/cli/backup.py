"""``azaion backup``: a copy of a home while its services work."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from azaion_common.core.errors import PermanentError
from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.output import print_json
from azaion_common.platform.runtime.settings import home_from

if TYPE_CHECKING:
    from azaion_common.platform.runtime.backing_up import Backup


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(backup)


def backup(
    destination: Annotated[
        Path, typer.Argument(help="A new folder, or that of an earlier backup.", show_default=False)
    ],
    *,
    home: Home = None,
    secrets: Annotated[
        bool,
        typer.Option(
            "--secrets/--no-secrets", help="Keys and passwords too; without them, keep them elsewhere."
        ),
    ] = True,
    link: Annotated[
        bool, typer.Option("--link", help="Hard links for blobs: no help against a failing disk.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the home as it is now; services may run. To restore, copy the folder back and start on it."""
    done = _back_up(home_from(home), destination.absolute(), secrets=secrets, link=link)
    if as_json:
        print_json(asdict(done))
    else:
        kept = "with" if done.secrets else "WITHOUT"
        typer.echo(
            f"{len(done.databases)} databases, {done.blobs} blobs ({done.copied} new, {done.copied_bytes / 1e6:.1f} MB), "
            f"{kept} secrets, in {destination}"
        )
    if done.rotten:
        raise PermanentError(
            "blobs_rotten",
            f"{len(done.rotten)} blobs are not what their names say, and are not in the backup",
            hint="azaion blobs verify --heal, then back up again",
        )


def _back_up(home: Path, destination: Path, *, secrets: bool, link: bool) -> Backup:
    from azaion_common.platform.runtime.backing_up import back_up  # noqa: PLC0415 - slow to load

    columns = (TextColumn("{task.description}"), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("databases", total=None)
        return back_up(
            home,
            destination,
            secrets=secrets,
            link=link,
            progress=lambda what, count: bar.update(task, description=what, completed=count),
        )
