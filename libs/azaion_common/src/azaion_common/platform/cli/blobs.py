"""``azaion blobs``: the store of pictures and models."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from azaion_common.core.errors import PermanentError
from azaion_common.core.logging import configure_logging
from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.output import print_json
from azaion_common.platform.runtime import transports
from azaion_common.platform.runtime.settings import PlatformSettings, home_from

if TYPE_CHECKING:
    from azaion_common.platform.runtime.verification import Verification

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="The store of pictures and models.")
    group.command("make-bucket")(make_bucket)
    group.command("verify")(verify)
    app.add_typer(group, name="blobs")


def make_bucket(home: Home = None, *, as_json: AsJson = False) -> None:
    """Make the buckets that the settings name.

    Those that are there are left as they are.
    """
    settings = PlatformSettings.load(home_from(home), "platform")
    there = asyncio.run(transports.make_buckets(settings))
    if as_json:
        print_json({"there": there})
        return
    for url in there:
        typer.echo(f"{url} is there")


def verify(
    *,
    home: Home = None,
    heal: Annotated[
        bool, typer.Option("--heal", help="Put rotten ones again from where they can be had.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read every blob and compare it with its name. Ends with an error while one is rotten; services may run."""
    configure_logging("error")
    found = _verify(home_from(home), heal=heal)
    if as_json:
        facts = asdict(found) | {"unhealed": found.unhealed, "sound": found.sound}
        print_json(facts)
    else:
        _show(found)
    if not found.sound:
        hint = (
            "import the picture again, or restore it from a backup; models: train or export them again"
            if heal
            else "azaion blobs verify --heal"
        )
        raise PermanentError(
            "blobs_rotten",
            f"{len(found.unhealed)} of {found.blobs} blobs are not what their names say",
            hint=hint,
        )


def _verify(home: Path, *, heal: bool) -> Verification:
    from azaion_common.platform.runtime.verifying import verify as verify_blobs  # noqa: PLC0415 - slow to load

    columns = (TextColumn("{task.description}"), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("blobs read", total=None)
        return asyncio.run(verify_blobs(home, lambda done: bar.update(task, completed=done), with_heal=heal))


def _show(found: Verification) -> None:
    typer.echo(f"{found.blobs} blobs, {found.size_bytes / 1e6:.1f} MB: {len(found.rotten)} rotten")
    if found.unneeded:
        typer.echo(f"{len(found.unneeded)} of them are needed by nothing any more: azaion gc takes them away")
    if found.missing:
        typer.echo(f"{len(found.missing)} pictures were missing")
    if found.healed or found.links_mended:
        typer.echo(
            f"{len(found.healed)} healed; {found.links_mended} files that people browse show them again"
        )
    for sha256 in found.unhealed[:_SHOWN]:
        typer.echo(f"  {sha256}")
    if len(found.unhealed) > _SHOWN:
        typer.echo(f"  and {len(found.unhealed) - _SHOWN} more (--json names all)")
