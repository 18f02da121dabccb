"""``azaion replay``: does a ledger still say what its streams say?"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from azaion_common.core.errors import PermanentError
from azaion_common.core.logging import configure_logging
from azaion_common.platform.cli.options import Home
from azaion_common.platform.cli.output import print_json, stdout_console
from azaion_common.platform.runtime.discovery import load_service
from azaion_common.platform.runtime.replaying import Comparison, replay
from azaion_common.platform.runtime.service import Service
from azaion_common.platform.runtime.settings import home_from

_DIGEST_CHARS = 16


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(name="replay")(command)


def command(
    service: Annotated[str, typer.Argument(help="ingestor, augmentor or trainer.")],
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,  # noqa: FBT002
) -> None:
    """Rebuild what SERVICE knows from the beginning of its streams, in replay/, and compare. Changes nothing."""
    folder = home_from(home)
    configure_logging("error")
    found = _replay(folder, load_service(service))
    if as_json:
        tables = [asdict(each) | {"same": each.same} for each in found]
        same = all(each.same for each in found)
        print_json({"service": service, "same": same, "tables": tables})
    else:
        stdout_console().print(_table(found))
    different = [each for each in found if not each.same]
    if different:
        raise PermanentError(
            "replay_differs",
            f"{different[0].ledger}: {different[0].table} is not what its streams lead to",
            hint=f"compare it with {folder / 'replay'}; docs/operations.md, 'replay'",
        )


def _replay(home: Path, service: Service) -> list[Comparison]:
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"replaying {service.name}", total=None)
        return asyncio.run(
            replay(home, service, lambda done, total: bar.update(task, completed=done, total=total))
        )


def _table(found: list[Comparison]) -> Table:
    table = Table("ledger", "table", "rows", "digest", "replayed rows", "replayed digest", "")
    for each in found:
        kept, replayed = each.kept, each.replayed
        verdict = "same" if each.same else "[red]DIFFERENT[/red]"
        table.add_row(
            each.ledger, each.table, str(kept.rows), kept.sha256[:_DIGEST_CHARS],
            str(replayed.rows), replayed.sha256[:_DIGEST_CHARS], verdict,
        )  # fmt: skip
    return table
