"""``azaion setup``: what services use on servers, made once."""

from __future__ import annotations

import asyncio

import typer

from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.output import print_json
from azaion_common.platform.runtime.provisioning import provision
from azaion_common.platform.runtime.settings import PlatformSettings, home_from


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(setup)


def setup(home: Home = None, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Make buckets, streams and queues on the servers that the settings name; what is there stays as it is.

    Needs an account that may make them. The services themselves then need no such right.
    """
    settings = PlatformSettings.load(home_from(home), "platform")
    asyncio.run(_setup(settings, as_json=as_json))


async def _setup(settings: PlatformSettings, *, as_json: bool) -> None:
    there = []
    async for each in provision(settings):
        there.append(each)
        if not as_json:
            typer.echo(f"{each} is there")
    if as_json:
        print_json({"there": there})
    elif not there:
        typer.echo("everything is kept in the home: there is nothing to make")
