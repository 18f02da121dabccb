"""What services were asked for and have not done yet: why something that is looked for may not be there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import typer

from azaion_common.contracts.annotations.wire import STREAM as ANNOTATIONS
from azaion_common.contracts.jobs import QUEUES
from azaion_common.core.errors import AzaionError, PermanentError
from azaion_common.platform.cli.examination import lag
from azaion_common.platform.runtime.running import is_running
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import open_jobs, open_log, queue_path

_INGESTOR = "ingestor"
_ABSENT = {
    "nothing_to_export", "dataset_missing", "model_unknown", "model_missing", "export_missing", "no_release", "run_unknown",
}  # fmt: skip
"""What services make out of what they are asked."""


@asynccontextmanager
async def absence_explained(home: Path) -> AsyncIterator[None]:
    """An error that says that something is not there says what waits for the services that would make it, too."""
    try:
        yield
    except PermanentError as error:
        waits = await what_waits(home) if error.code in _ABSENT else None
        if waits is None:
            raise
        hint = "; ".join(filter(None, (waits, error.hint)))
        raise PermanentError(error.code, error.message, hint=hint) from error


def tell_what_waits(home: Path) -> None:
    """After a list of nothing: what is still to come."""
    if waits := asyncio.run(what_waits(home)):
        typer.echo(waits, err=True)


async def what_waits(home: Path) -> str | None:
    """Messages and jobs that wait, in words; None when there are none, or they cannot be counted."""
    with suppress(AzaionError):
        settings = PlatformSettings.load(home, "platform")
        found = list(_in_words(await _messages(home, settings), await _jobs(home, settings)))
        if found:
            works = await asyncio.to_thread(is_running, home, settings, _INGESTOR)
            then = "the services are at work on them" if works else "azaion up works on them"
            return f"{' and '.join(found)}: {then}"
    return None


def _in_words(messages: int, jobs: int) -> Iterator[str]:
    if messages:
        yield f"{messages} {'message waits' if messages == 1 else 'messages wait'} to be ingested"
    if jobs:
        yield f"{jobs} {'job is' if jobs == 1 else 'jobs are'} queued"


async def _messages(home: Path, settings: PlatformSettings) -> int:
    async with open_log(home, settings) as log:
        behind = await lag(home, log, _INGESTOR)
        if behind is not None:
            return behind
        return sum([await log.end(part) for part in settings.partitioning.streams(ANNOTATIONS)])


async def _jobs(home: Path, settings: PlatformSettings) -> int:
    if settings.jobs_url is None and not queue_path(home).exists():
        return 0  # not to be made by looking for it
    async with open_jobs(home, settings) as jobs:
        return sum([len(await jobs.pending(queue)) for queue in QUEUES])
