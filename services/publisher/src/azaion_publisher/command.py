"""``azaion publish MODEL``: publish an export that is there already."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import uuid4

import typer

from azaion_common.contracts.events import Event, ModelExported, ModelPublished, PublishFailed
from azaion_common.contracts.jobs import PublishJob
from azaion_common.core.errors import PermanentError
from azaion_common.platform.cli.model_events import is_meant, newest
from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.pending_work import absence_explained
from azaion_common.platform.cli.queued_jobs import Request, ask, platform_to_ask
from azaion_common.platform.runtime.settings import home_from
from azaion_common.platform.streams import EventLog
from azaion_publisher.plan import new_job, publish_job


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(publish)


def publish(
    model: Annotated[str, typer.Argument(help="Model id, the beginning of one, or 'latest'.")],
    target: Annotated[str, typer.Option(help="Which export of it.")] = "onnx",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome.")] = False,  # noqa: FBT002
    home: Home = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Publish the newest export of a model; it becomes the newest release. The publisher (azaion up) does it."""
    asyncio.run(_publish(model, target, home, wait=wait, as_json=as_json))


async def _publish(model: str, target: str, home: Home, *, wait: bool, as_json: bool) -> None:
    async with platform_to_ask(home_from(home)) as platform:
        async with absence_explained(platform.home):
            exported = await find_export(platform.log, model, target)
        job = publish_job(exported)
        request = Request(
            service="publisher",
            job=new_job(job, f"{job.model_id}/{uuid4().hex}"),
            line=f"publication of {job.model_id} for {job.target}, {job.imgsz} px, batch {job.batch}",
            facts={"model_id": job.model_id, "target": job.target, "imgsz": job.imgsz, "batch": job.batch},
            answers=lambda event: answers(event, job),
            outcome=outcome,
        )
        await ask(platform, request, wait=wait, as_json=as_json)


def answers(event: Event, job: PublishJob) -> bool:
    """Is ``event`` the outcome of ``job``?"""
    match event:
        case ModelPublished():
            return (event.model_id, event.plaintext_sha256) == (job.model_id, job.artifact.sha256)
        case PublishFailed():
            return (event.model_id, event.target) == (job.model_id, job.target)
        case _:
            return False


def outcome(event: Event) -> str:
    """One line on a publication that went well.

    Raises:
        PermanentError: the code and message of one that did not.
    """
    match event:
        case ModelPublished():
            return (
                f"published: release {event.release}, small {event.small.size_bytes} bytes at {event.small.location}, "
                f"big {event.big.size_bytes} bytes, sha256 {event.package_sha256}"
            )
        case PublishFailed(code=code, message=message):
            raise PermanentError(code, message)
        case _:
            raise PermanentError("event_unexpected", f"{event.type} is no outcome of a publication")


async def find_export(log: EventLog, wanted: str, target: str) -> ModelExported:
    """The newest export for ``target`` of a model whose id begins with ``wanted``; of any for ``latest``.

    Raises:
        PermanentError: ``export_missing``.
    """
    found = await newest(
        log, ModelExported, lambda export: export.target == target and is_meant(export.model_id, wanted)
    )
    if found is None:
        raise PermanentError(
            "export_missing",
            f"no export of a model {wanted!r} for {target} is known here",
            hint=f"make one with: azaion export MODEL --target {target}",
        )
    return found
