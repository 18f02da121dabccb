"""What a command does that has a service work on a model: it queues a job, says so, and may wait for what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from azaion_common.contracts.events import Event
from azaion_common.contracts.events.models import STREAM
from azaion_common.platform.cli.backlog import START
from azaion_common.platform.cli.model_events import answer
from azaion_common.platform.cli.output import print_json
from azaion_common.platform.cli.patience import Patience
from azaion_common.platform.ledger.handler import NewJob
from azaion_common.platform.runtime.platform import Platform, open_platform
from azaion_common.platform.runtime.running import is_running
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import check_exists


@dataclass(frozen=True, slots=True)
class Request:
    """A job for a service, and how its outcome is known."""

    service: str
    job: NewJob
    line: str
    """What is asked for, in words."""
    facts: Mapping[str, object]
    """The same, for machines."""
    answers: Callable[[Event], bool]
    """Whether an event of the stream of models is the outcome."""
    outcome: Callable[[Event], str]
    """The outcome in words. Raises PermanentError for a job that failed."""


@asynccontextmanager
async def platform_to_ask(home: Path) -> AsyncIterator[Platform]:
    """The platform of a home that is there already.

    Raises:
        PermanentError: ``home_missing``, and what the transports raise.
    """
    settings = PlatformSettings.load(home, "platform")
    check_exists(home, settings)
    async with open_platform(home, settings) as platform:
        yield platform


async def ask(platform: Platform, request: Request, *, wait: bool, as_json: bool) -> None:
    """Queue the job and tell of it, and with ``wait`` of its outcome.

    Raises:
        AzaionError: what the queue says, and how the job failed.
    """
    end = await platform.log.end(STREAM)
    await platform.jobs.put(request.job.queue, request.job.job_id, request.job.body)
    typer.echo(f"{request.line}: queued", err=as_json)
    facts = {"job_id": request.job.job_id, "outcome": "queued", **request.facts}
    if wait:
        event = await _wait(platform, request, end)
        facts |= {"outcome": event.type, "message": request.outcome(event)}
        if not as_json:
            typer.echo(facts["message"])
    elif not await _works(platform, request.service):
        typer.echo(f"no {request.service} runs here: {START}", err=True)
    if as_json:
        print_json(facts)


async def _wait(platform: Platform, request: Request, offset: int) -> Event:
    with Patience(Console(stderr=True)) as patience:
        return await answer(
            platform.log,
            offset,
            request.answers,
            service=request.service,
            works=lambda: _works(platform, request.service),
            patience=patience,
        )


async def _works(platform: Platform, service: str) -> bool:
    return await asyncio.to_thread(is_running, platform.home, platform.settings, service)
