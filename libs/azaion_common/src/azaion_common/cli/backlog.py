"""Waiting until the services have taken in what was imported."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console

from azaion_common.cli.doctor import examine
from azaion_common.errors import PermanentError
from azaion_common.streams import EventLog

POLL_S = 0.5
HINT_AFTER_S = 10.0
ANNOTATIONS = "azaion-annotations"
INTAKE = ("ingestor", "augmentor", "trainer")


async def until_taken_in(home: Path, log: EventLog, console: Console) -> None:
    """Return when no service of the intake has messages of its streams left to handle.

    Raises:
        PermanentError: ``services_never_ran`` when nothing has ever read what was imported.
    """
    waited_s = 0.0
    with console.status("") as status:
        while pending := await _pending(home, log):
            hint = "; is `azaion up` running?" if waited_s > HINT_AFTER_S else ""
            status.update(f"{pending} messages are being taken in{hint}")
            await asyncio.sleep(POLL_S)
            waited_s += POLL_S


async def _pending(home: Path, log: EventLog) -> int:
    reports = [report for report in await examine(home) if report.service in INTAKE]
    if len(reports) < len(INTAKE) and await log.count(ANNOTATIONS):
        raise PermanentError(
            "services_never_ran", f"the services have never run on {home}", hint="start them with: azaion up"
        )
    unsent = sum(report.outbox for report in reports)
    return unsent + sum(stream.pending for report in reports for stream in report.streams)
