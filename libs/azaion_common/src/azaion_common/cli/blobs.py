"""``azaion blobs``: the store of pictures and models."""

from __future__ import annotations

import asyncio

import typer

from azaion_common.cli.options import Home
from azaion_common.runtime import transports
from azaion_common.runtime.settings import PlatformSettings, home_from


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group = typer.Typer(help="The store of pictures and models.")
    group.command("make-bucket")(make_bucket)
    group.callback()(lambda: None)  # keeps the name of the only command
    app.add_typer(group, name="blobs")


def make_bucket(home: Home = None) -> None:
    """Make the buckets that blobs_url and releases_url name; those that are there are left as they are."""
    settings = PlatformSettings.load(home_from(home), "platform")
    for url in asyncio.run(transports.make_buckets(settings)):
        typer.echo(f"{url} is there")
