"""``azaion annotations``: labelled folders onto the annotation stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from azaion_common.catalogue import Catalogue
from azaion_common.errors import PermanentError
from azaion_common.runtime.home import make_home
from azaion_common.runtime.platform import catalogue_of
from azaion_common.runtime.settings import FILE_NAME, PlatformSettings, home_from
from azaion_common.runtime.transports import log_path, open_log
from azaion_common.streams import EventLog

if TYPE_CHECKING:
    from azaion_common.annotations.publish import ImportReport

OWN = "own"
_SHOWN_PROBLEMS = 20


def register(app: typer.Typer) -> None:
    """Add the group of commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="Bring annotated pictures in.")
    group.callback()(lambda: None)
    group.command("import")(import_)
    app.add_typer(group, name="annotations")


def import_(
    folder: Annotated[Path, typer.Argument(help="Folder with pictures and labels.", show_default=False)],
    *,
    format_name: Annotated[str, typer.Option("--format", help="auto, yolo, coco, voc or cvat.")] = "auto",
    role: Annotated[str, typer.Option(help="validator (counts for training) or operator.")] = "validator",
    condition: Annotated[str, typer.Option(help="Condition that the pictures show.")] = "Norm",
    catalogue: Annotated[
        str | None,
        typer.Option(help="Class catalogue for a new home: a file, or 'own' for the folder's own classes."),
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="Folder that holds everything. [env AZAION_HOME; ./azaion-home]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Import a labelled folder. Importing it again, or after Ctrl-C, adds nothing twice."""
    # Pillow and defusedxml come with the extra "annotations", which an edge device does not install.
    from azaion_common.annotations.publish import prepare_import, send_import  # noqa: PLC0415

    place, console = home_from(home), Console(stderr=True)
    with _Bars(console) as bars:
        prepared = prepare_import(
            folder,
            _catalogue(catalogue, place),
            role=role,
            format_name=format_name,
            condition=condition,
            on_progress=bars.update,
        )
        if catalogue is not None:
            _adopt(prepared.catalogue, place)
        partitioning = PlatformSettings.load(place, "platform").partitioning
        report = asyncio.run(
            _send(
                lambda log: send_import(prepared, log, partitioning=partitioning, on_progress=bars.update),
                place,
            )
        )
    _show(report, console, as_json=as_json)


def _catalogue(choice: str | None, home: Path) -> Catalogue | None:
    """The catalogue to import by; None: the folder's own."""
    if choice == OWN:
        return None
    if choice is not None:
        return Catalogue.load(Path(choice))
    return catalogue_of(home, PlatformSettings.load(home, "platform"))


async def _send(send: Callable[[EventLog], Awaitable[ImportReport]], home: Path) -> ImportReport:
    make_home(home)
    async with open_log(home, PlatformSettings.load(home, "platform")) as log:
        return await send(log)


def _adopt(catalogue: Catalogue, home: Path) -> None:
    """Make ``catalogue`` the one of a home that has none yet: what is imported must mean the same to every service."""
    if (home / FILE_NAME).exists() or log_path(home).exists():
        if catalogue_of(home, PlatformSettings.load(home, "platform")).digest != catalogue.digest:
            raise PermanentError(
                "catalogue_differs",
                f"{home} already works with another catalogue",
                hint=f"set platform.catalogue in {home / FILE_NAME}, or take another --home",
            )
        return
    make_home(home)
    catalogue.dump(home / "catalogue.yaml")
    (home / FILE_NAME).write_text(yaml.safe_dump({"platform": {"catalogue": "catalogue.yaml"}}))


class _Bars(AbstractContextManager["_Bars"]):
    """One progress bar for each stage of an import."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console)
        self._tasks = {stage: self._progress.add_task(stage, total=None) for stage in ("checking", "sending")}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, stage: str, done: int, total: int) -> None:
        self._progress.update(self._tasks[stage], completed=done, total=total)


def _show(report: ImportReport, console: Console, *, as_json: bool) -> None:
    if as_json:
        facts = asdict(report) | {"catalogue": report.catalogue.name}
        typer.echo(json.dumps(facts))
        return
    for kind, problems in (("will be quarantined", report.quarantined), ("not used", report.unused)):
        if problems:
            table = Table("file", "reason", "why", title=f"{len(problems)} {kind}", title_justify="left")
            for problem in problems[:_SHOWN_PROBLEMS]:
                # File names are data: shown as they are, never as markup.
                table.add_row(Text(problem.path), problem.reason, Text(problem.message))
            console.print(table)
    typer.echo(
        f"{report.pictures} pictures ({report.format}), {report.boxes} boxes: "
        f"{report.appended} sent, {report.already_there} were there before, "
        f"{len(report.quarantined)} will be quarantined, {len(report.unused)} files not used"
    )
