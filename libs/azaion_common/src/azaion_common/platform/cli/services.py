"""``azaion up`` and ``azaion run``: start services."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import structlog
import typer

from azaion_common.core.logging import configure_logging
from azaion_common.platform.cli.options import Home
from azaion_common.platform.runtime.discovery import load_service, service_names
from azaion_common.platform.runtime.home import make_home
from azaion_common.platform.runtime.process import run_process
from azaion_common.platform.runtime.settings import PlatformSettings, home_from


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(up)
    app.command()(run)


def up(
    home: Home = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this service (repeatable).")] = None,
) -> None:
    """Run every installed service in this process until Ctrl-C."""
    _serve(only or service_names(), home_from(home))


def run(
    service: Annotated[str, typer.Argument(help="Name of the service.", envvar="AZAION_SERVICE")],
    home: Home = None,
) -> None:
    """Run one service until it is told to stop (what a container runs)."""
    _serve([service], home_from(home))


def _serve(names: list[str], home: Path) -> None:
    services = [load_service(name) for name in names]
    is_new = make_home(home)
    configure_logging(PlatformSettings.load(home, "platform").log_level)
    if is_new:
        structlog.get_logger(__name__).info("home.made", home=str(home))
    run_process(services, home)
