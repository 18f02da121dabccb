"""``azaion annotations``: labelled folders onto the annotation stream, and corrections of what is there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from azaion_annotations.commands import corrections
from azaion_annotations.commands.import_report import show_import
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.output import stderr_console
from azaion_common.platform.cli.picture_progress import StageProgress
from azaion_common.platform.runtime.home import make_home
from azaion_common.platform.runtime.home_catalogue import OWN, adopt, are_services_running, choose_catalogue
from azaion_common.platform.runtime.platform import catalogue_of
from azaion_common.platform.runtime.settings import PlatformSettings, home_from
from azaion_common.platform.runtime.transports import log_path, open_log

if TYPE_CHECKING:
    from azaion_annotations.planning import Progress
    from azaion_annotations.publish import ImportReport, ImportRules


@dataclass(frozen=True, slots=True)
class _Wish:
    """An import as somebody asked for it."""

    folder: Path
    home: Path
    rules: ImportRules
    catalogue: str | None
    profile: str

    def names_by_default(self, settings: PlatformSettings) -> Catalogue | None:
        """Where the class names come from when the folder has none."""
        if self.catalogue == OWN:
            return None
        return Catalogue.load(Path(self.catalogue)) if self.catalogue else catalogue_of(self.home, settings)


def register(app: typer.Typer) -> None:
    """Add the group of commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="Bring labelled pictures in; correct or delete them.")
    group.command("import")(import_)
    corrections.register(group)
    app.add_typer(group, name="annotations")


def import_(
    folder: Annotated[Path, typer.Argument(help="Folder with pictures and labels.", show_default=False)],
    *,
    format_name: Annotated[str, typer.Option("--format", help="auto, yolo, coco, voc or cvat.")] = "auto",
    role: Annotated[str, typer.Option(help="validator (counts for training) or operator.")] = "validator",
    condition: Annotated[str, typer.Option(help="Condition that the pictures show.")] = "Norm",
    catalogue: Annotated[
        str | None,
        typer.Option(
            help="own: the folder's own classes, added to those of a home in use; or a file, for a new home."
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Other pictures under known names take the place of the old ones."),
    ] = False,
    restore: Annotated[
        bool, typer.Option("--restore", help="Bring back pictures that were deleted.")
    ] = False,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="Leave known pictures and their labels alone.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Import a labelled folder.

    Afterwards the store says of its pictures what the folder says. Nothing is added twice.
    """
    # Pillow and defusedxml come with the extra "annotations", which an edge device does not install.
    from azaion_annotations.intake_settings import IntakeSettings  # noqa: PLC0415
    from azaion_annotations.publish import ImportRules  # noqa: PLC0415

    place, console = home_from(home), stderr_console()
    intake = IntakeSettings.of(place)
    rules = ImportRules(role, format_name, condition, replace, restore, only_new, intake.limits)
    with StageProgress(("checking", "sending"), console) as progress:
        wish = _Wish(folder.absolute(), place, rules, catalogue, intake.profile)
        report, added = asyncio.run(_import(wish, progress.update))
    if added and are_services_running(place):
        console.print(
            "services that are running know the new classes after a restart: end azaion up and start it"
        )
    show_import(report, added, console, own_classes=catalogue == OWN, as_json=as_json)


async def _import(wish: _Wish, on_progress: Progress) -> tuple[ImportReport, tuple[str, ...]]:
    """Nothing is made or sent before the folder was read and checked whole."""
    from azaion_annotations.publish import plan_import, read_source, send_import  # noqa: PLC0415
    from azaion_annotations.reading_stored import applied_offsets, read_stored  # noqa: PLC0415

    home, folder, settings = wish.home, wish.folder, PlatformSettings.load(wish.home, "platform")
    source = await asyncio.to_thread(read_source, folder, wish.names_by_default(settings), wish.rules)
    chosen = choose_catalogue(wish.catalogue, home, settings, source.class_names, folder.name or "folder")
    stored = None
    if settings.streams_url is not None or log_path(home).exists():
        applied = await applied_offsets(home, settings)
        async with open_log(home, settings) as log:
            stored = await read_stored(
                log,
                chosen.catalogue,
                partitioning=settings.partitioning,
                applied=applied,
                profile=wish.profile,
            )
    prepared = await asyncio.to_thread(
        plan_import, folder, source, chosen.catalogue, wish.rules, stored=stored, on_progress=on_progress
    )
    if make_home(home):
        typer.echo(f"made a home: {home}", err=True)
    adopt(chosen, home)
    async with open_log(home, settings) as log:
        report = await send_import(prepared, log, partitioning=settings.partitioning, on_progress=on_progress)
    return report, chosen.added
