"""The dead letters of every ledger and every job queue, under one kind of address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from azaion_common.core.errors import PermanentError
from azaion_common.platform.jobs import DeadJob
from azaion_common.platform.ledger import letters
from azaion_common.platform.ledger.letters import Letter
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import (
    check_exists,
    ledger_names,
    look_into_ledger,
    open_blobs,
    open_jobs,
)

JOBS = "jobs"
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a service refused, or a job that nobody could take."""

    id: str
    """``ingestor/azaion-annotations/17`` or ``jobs/train/JOB``; unique and stable."""
    reason: str
    message: str
    state: str
    at: datetime | None
    raw_sha256: str | None = None
    """Of a message's body, in the blob store."""


async def every(home: Path) -> list[DeadLetter]:
    """All that there are, applied ones among them, by ledger, stream and offset.

    Raises:
        PermanentError: ``home_missing``, and what the transports raise.
        TransientError: from the transports.
    """
    settings = PlatformSettings.load(home, "platform")
    check_exists(home, settings)
    found = [
        _of_message(name, letter)
        for name in await asyncio.to_thread(ledger_names, home, settings)
        for letter in await _in_ledger(home, settings, name, letters.every)
    ]
    async with open_jobs(home, settings) as jobs:
        return found + [_of_job(job) for job in await jobs.dead_letters()]


async def body_of(home: Path, letter: DeadLetter) -> bytes:
    """What the message was, as it came.

    Raises:
        PermanentError: ``blob_missing``; ``dead_letter_unknown`` for a job that is gone.
    """
    settings = PlatformSettings.load(home, "platform")
    if letter.raw_sha256 is not None:
        async with open_blobs(home, settings) as blobs:
            return await blobs.get(letter.raw_sha256)
    async with open_jobs(home, settings) as jobs:
        for job in await jobs.dead_letters():
            if _of_job(job).id == letter.id:
                return job.body
    raise PermanentError("dead_letter_unknown", f"{letter.id} is there no longer")


async def requeue(home: Path, letter: DeadLetter) -> bool:
    """Have it tried again; False when somebody did before.

    Raises:
        PermanentError: ``dead_letter_unknown``, ``job_invalid``.
    """
    settings = PlatformSettings.load(home, "platform")
    owner, _, rest = letter.id.partition("/")
    if owner == JOBS:
        async with open_jobs(home, settings) as jobs:
            await jobs.requeue(rest.partition("/")[2])
        return True
    stream, _, offset = rest.rpartition("/")
    return await _in_ledger(home, settings, owner, lambda c: letters.requeue(c, stream, int(offset)))


async def _in_ledger(
    home: Path, settings: PlatformSettings, name: str, work: Callable[[Connection], Result]
) -> Result:
    async with look_into_ledger(home, settings, name) as ledger:
        return await ledger.transact(work)


def _of_message(ledger: str, letter: Letter) -> DeadLetter:
    return DeadLetter(
        id=f"{ledger}/{letter.stream}/{letter.offset}",
        reason=letter.reason,
        message=letter.message,
        state=letter.state,
        at=letter.at,
        raw_sha256=letter.raw_sha256,
    )


def _of_job(job: DeadJob) -> DeadLetter:
    said = {"delivery_limit": "it was handed out too often", "rejected": "it is not a job"}
    return DeadLetter(
        id=f"{JOBS}/{job.queue}/{job.job_id}",
        reason=job.reason,
        message=said.get(job.reason, ""),
        state=letters.OPEN,
        at=job.at,
    )
