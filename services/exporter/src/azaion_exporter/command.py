"""``azaion export MODEL``: export a trained model once more, for another target, size or batch."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import uuid4

import typer

from azaion_common.contracts.events import Event, ExportFailed, ModelExported, ModelTrained
from azaion_common.contracts.jobs import ExportJob
from azaion_common.core.errors import PermanentError
from azaion_common.platform.cli.model_events import is_meant, newest
from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.pending_work import absence_explained
from azaion_common.platform.cli.queued_jobs import Request, ask, platform_to_ask
from azaion_common.platform.runtime.settings import home_from
from azaion_common.platform.streams import EventLog
from azaion_exporter.plan import ORIGIN_COMMAND, Target, export_job, new_job, parse_target


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
    async with platform_to_ask(home_from(home)) as platform:
        async with absence_explained(platform.home):
            trained = await find_trained(platform.log, model)
        job = export_job(trained, target, ORIGIN_COMMAND)
        request = Request(
            service="exporter",
            job=new_job(job, f"{job.model_id}/{uuid4().hex}"),
            line=f"export of {job.model_id} to {job.target}, {job.imgsz} px, batch {job.batch}",
            facts={"model_id": job.model_id, "target": job.target, "imgsz": job.imgsz, "batch": job.batch},
            answers=lambda event: answers(event, job),
            outcome=outcome,
        )
        await ask(platform, request, wait=wait, as_json=as_json)


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
