"""``azaion data``: pictures with their labels, out of the store."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from azaion_common.core.errors import PermanentError
from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.output import print_json, stderr_console
from azaion_common.platform.cli.pending_work import absence_explained
from azaion_common.platform.cli.picture_progress import StageProgress
from azaion_common.platform.runtime.home import check_target
from azaion_common.platform.runtime.platform import catalogue_of
from azaion_common.platform.runtime.settings import PlatformSettings, home_from
from azaion_common.platform.runtime.transports import check_exists, open_blobs, open_log

if TYPE_CHECKING:
    from azaion_annotations.exporting import ExportReport, Progress

LATEST = "latest"


def register(app: typer.Typer) -> None:
    """Add the group of commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="Take pictures, labels and datasets along.")
    group.callback()(lambda: None)
    group.command()(export)
    app.add_typer(group, name="data")


def export(
    folder: Annotated[Path, typer.Argument(help="New folder to write to.", show_default=False)],
    *,
    format_name: Annotated[str, typer.Option("--format", help="yolo or coco.")] = "yolo",
    seed: Annotated[
        bool, typer.Option("--seed", help="Pictures that no validator has confirmed, too.")
    ] = False,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Instead: this dataset with its split and variants (id, its first digits, or latest)."
        ),
    ] = None,
    link: Annotated[
        bool,
        typer.Option(
            "--link", help="Link images instead of copying them: no space, but never write to them."
        ),
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write what the store holds to a folder.

    Pictures and labels as they are now; an import reads them back as they are.
    """
    place, target = home_from(home), folder.expanduser().absolute()
    check_target(place, target, outside=True)
    if dataset is not None:
        facts = asyncio.run(_export_dataset(place, dataset, target, format_name, link=link))
        line = f"dataset {facts['dataset_id'][:16]}: {facts['images']} images in {target}"
    else:
        with StageProgress(("writing",), stderr_console()) as progress:
            wanted = _export(
                place,
                target,
                format_name,
                seed=seed,
                link=link,
                on_progress=lambda done, total: progress.update("writing", done, total),
            )
            report = asyncio.run(wanted)
        facts, line = asdict(report), line_of(report)
    if as_json:
        print_json(facts)
    else:
        typer.echo(line)


async def _export(
    home: Path, folder: Path, format_name: str, *, seed: bool, link: bool, on_progress: Progress
) -> ExportReport:
    # Pillow comes with the extra "annotations", which an edge device does not install.
    from azaion_annotations.exporting import Exporter  # noqa: PLC0415
    from azaion_annotations.intake_settings import IntakeSettings  # noqa: PLC0415
    from azaion_annotations.reading_stored import applied_offsets, read_stored  # noqa: PLC0415

    settings = PlatformSettings.load(home, "platform")
    check_exists(home, settings)
    catalogue, profile = catalogue_of(home, settings), IntakeSettings.of(home).profile
    applied = await applied_offsets(home, settings)
    async with open_log(home, settings) as log, open_blobs(home, settings) as blobs:
        stored = await read_stored(
            log,
            catalogue,
            partitioning=settings.partitioning,
            applied=applied,
            profile=profile,
            only_applied=True,
        )
        pictures = [each for each in stored.current() if each.validated or seed]
        exporter = Exporter(blobs, catalogue, link, on_progress)
        async with absence_explained(home):
            return await exporter.export(pictures, folder, format_name, pending=stored.pending)


async def _export_dataset(
    home: Path, wanted: str, folder: Path, format_name: str, *, link: bool
) -> dict[str, Any]:
    from azaion_annotations.exporting import copy_dataset  # noqa: PLC0415

    if format_name != "yolo":
        raise PermanentError(
            "format_unknown", f"a dataset is not written as {format_name!r}", hint="known: yolo"
        )
    async with absence_explained(home):
        source = await asyncio.to_thread(_dataset_folder, home, wanted)
    images = await copy_dataset(source, folder, link=link)
    return {"folder": str(folder), "format": format_name, "dataset_id": source.name, "images": images}


def _dataset_folder(home: Path, wanted: str) -> Path:
    found = [each.parent for each in (home / "datasets").glob("[!.]*/data.yaml")]
    if wanted == LATEST:
        found = sorted(found, key=lambda each: (each / "data.yaml").stat().st_mtime_ns)[-1:]
    else:
        found = [each for each in found if each.name.startswith(wanted)]
    if len(found) != 1:
        what = "no dataset" if not found else f"{len(found)} datasets"
        raise PermanentError(
            "dataset_missing", f"{what} with id {wanted}", hint="azaion dataset list shows them"
        )
    return found[0]


def line_of(report: ExportReport) -> str:
    """What a person reads of an export; the command in it can be copied, whatever the folder is called."""
    pending = f"; {report.pending} messages wait for the ingestor and are not in it" if report.pending else ""
    return (
        f"{report.pictures} pictures, {report.boxes} boxes ({report.format}) in {report.folder}{pending}\n"
        f"  to import them elsewhere: azaion annotations import {shlex.quote(str(report.folder))} "
        f"--catalogue {shlex.quote(f'{report.folder}/catalogue.yaml')}"
    )
