"""``azaion blobs``: the store of pictures and models."""

from __future__ import annotations

import asyncio

import typer

from azaion_common.cli.services import Home
from azaion_common.runtime import transports
from azaion_common.runtime.settings import PlatformSettings, home_from


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group = typer.Typer(help="The store of pictures and models.")
    group.command("make-bucket")(make_bucket)
    group.callback()(lambda: None)  # keeps the name of the only command
    app.add_typer(group, name="blobs")


def make_bucket(home: Home = None) -> None:
    """Make the bucket that blobs_url names; one that is there is left as it is."""
    settings = PlatformSettings.load(home_from(home), "platform")
    asyncio.run(transports.make_bucket(settings))
    typer.echo(f"{settings.blobs_url} is there")
