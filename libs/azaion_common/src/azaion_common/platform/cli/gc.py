"""``azaion gc``: remove what nothing in the home needs any more."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table

from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.output import print_json, stdout_console
from azaion_common.platform.runtime.settings import home_from


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(gc)


def gc(
    *,
    home: Home = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    min_age_hours: Annotated[float, typer.Option(min=1, help="Nothing younger goes.")] = 24,
    rejected_days: Annotated[
        float, typer.Option(min=0, help="Keep checkpoints of rejected models so long.")
    ] = 30,
    refused_days: Annotated[float, typer.Option(min=0, help="Keep bodies of refused messages so long.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Remove blobs that nothing names any more, and what killed processes left; services may run."""
    from azaion_common.platform.runtime.throwing_away import Rules, throw_away  # noqa: PLC0415 - slow to load

    rules = Rules(
        min_age=timedelta(hours=min_age_hours),
        refused=timedelta(days=refused_days),
        rejected=timedelta(days=rejected_days),
    )
    waste = throw_away(home_from(home), rules, dry_run=dry_run)
    if as_json:
        print_json(asdict(waste) | {"freed_bytes": waste.freed_bytes, "dry_run": dry_run})
        return
    table = Table("kind", "files", "MB")
    for kind, count in waste.files.items():
        table.add_row(kind, str(count), f"{waste.size_bytes[kind] / 1e6:.1f}")
    if waste.files:
        stdout_console().print(table)
    verb = "would be freed" if dry_run else "freed"
    typer.echo(f"{waste.freed_bytes / 1e6:.1f} MB {verb}; {waste.kept_blobs} blobs stay")
