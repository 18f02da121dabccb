"""``azaion export MODEL``: export a trained model once more, for another target, size or batch."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import uuid4

import typer
from rich.console import Console

from azaion_common.cli.backlog import START
from azaion_common.cli.model_events import answer, is_meant, newest
from azaion_common.cli.options import AsJson, Home
from azaion_common.cli.output import print_json
from azaion_common.cli.patience import Patience
from azaion_common.errors import PermanentError
from azaion_common.events import Event, ExportFailed, ModelExported, ModelTrained
from azaion_common.events.models import STREAM
from azaion_common.runtime.platform import open_platform
from azaion_common.runtime.running import is_running
from azaion_common.runtime.settings import home_from
from azaion_common.streams import EventLog
from azaion_exporter.plan import ORIGIN_COMMAND, ExportJob, Target, export_job, new_job, parse_target


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(export)


def export(
    model: Annotated[str, typer.Argument(help="Model id, the beginning of one, or 'latest'.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="imgsz=N, batch=N")] = None,
    *,
    target: Annotated[str, typer.Option(help="What to export to.")] = "onnx",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Export a trained model; the exporter (azaion up) does it and compares the export with its source."""
    asyncio.run(_export(model, parse_target(target, overrides or []), home, wait=wait, as_json=as_json))


async def _export(model: str, target: Target, home: Home, *, wait: bool, as_json: bool) -> None:
    async with open_platform(home_from(home)) as platform:
        found = await find_trained(platform.log, model)
        job, job_id = export_job(found, target, ORIGIN_COMMAND), uuid4().hex
        end = await platform.log.end(STREAM)
        planned = new_job(job, f"{job.model_id}/{job_id}")
        await platform.jobs.put(planned.queue, planned.job_id, planned.body)
        queued = f"export of {job.model_id} to {job.target}, {job.imgsz} px, batch {job.batch}: queued"
        facts = {"model_id": job.model_id, "target": job.target, "imgsz": job.imgsz, "batch": job.batch}
        typer.echo(queued, err=as_json)

        async def works() -> bool:
            return await asyncio.to_thread(is_running, platform.home, platform.settings, "exporter")

        if wait:
            with Patience(Console(stderr=True)) as patience:
                event = await answer(
                    platform.log,
                    end,
                    lambda event: answers(event, job),
                    service="exporter",
                    works=works,
                    patience=patience,
                )
            line = outcome(event)
            facts |= {"outcome": event.type, "message": line}
            if not as_json:
                typer.echo(line)
        elif not await works():
            typer.echo(f"no exporter runs here: {START}", err=True)
        if as_json:
            print_json({"job_id": planned.job_id, "outcome": "queued", **facts})


def answers(event: Event, job: ExportJob) -> bool:
    """Is ``event`` the outcome of ``job``?"""
    match event:
        case ModelExported():
            return (event.model_id, event.target, event.imgsz, event.batch) == (
                job.model_id, job.target, job.imgsz, job.batch,
            )  # fmt: skip
        case ExportFailed():
            return (event.model_id, event.target) == (job.model_id, job.target)
        case _:
            return False


def outcome(event: Event) -> str:
    """One line on an export that went well.

    Raises:
        PermanentError: the code and message of one that did not.
    """
    match event:
        case ModelExported(parity=parity, artifact=artifact):
            return (
                f"exported: {artifact.size_bytes} bytes, sha256 {artifact.sha256}, {parity.matched} of "
                f"{parity.expected} boxes match, min IoU {parity.min_iou:.4f}, "
                f"max score difference {parity.max_score_difference:.6f}"
            )
        case ExportFailed(code=code, message=message):
            raise PermanentError(code, message)
        case _:
            raise PermanentError("event_unexpected", f"{event.type} is no outcome of an export")


async def find_trained(log: EventLog, wanted: str) -> ModelTrained:
    """The newest trained model whose id begins with ``wanted``; any for ``latest``.

    Raises:
        PermanentError: ``model_missing``.
    """
    found = await newest(log, ModelTrained, lambda model: is_meant(model.model_id, wanted))
    if found is None:
        raise PermanentError(
            "model_missing",
            f"no trained model {wanted!r} is known here",
            hint="'latest' means the newest one",
        )
    return found
