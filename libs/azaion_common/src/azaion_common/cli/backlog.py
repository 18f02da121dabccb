"""Waiting until the services have taken in what was imported."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console

from azaion_common.cli.examination import lag
from azaion_common.errors import PermanentError
from azaion_common.runtime.settings import PlatformSettings
from azaion_common.streams import EventLog

POLL_S = 0.5
HINT_AFTER_S = 10.0
START_S = 30.0
ANNOTATIONS = "azaion-annotations"
INTAKE = ("ingestor", "augmentor", "trainer")


async def until_taken_in(home: Path, log: EventLog, console: Console) -> None:
    """Return when no service of the intake has messages of its streams left to handle.

    Raises:
        PermanentError: ``services_never_ran`` when nothing has ever read what was imported, and nothing is about to.
    """
    waited_s = 0.0
    with console.status("") as status:
        while (pending := await _pending(home, log)) != 0:
            if pending is None and not (_is_starting(home) and waited_s < START_S):
                raise PermanentError(
                    "services_never_ran",
                    f"the services have never run on {home}",
                    hint="start them with: azaion up",
                )
            hint = "; is `azaion up` running?" if waited_s > HINT_AFTER_S else ""
            what = (
                "the services are starting" if pending is None else f"{pending} messages are being taken in"
            )
            status.update(f"{what}{hint}")
            await asyncio.sleep(POLL_S)
            waited_s += POLL_S


async def _pending(home: Path, log: EventLog) -> int | None:
    """How many messages; None when there are some, and a service that has never read any."""
    behind = [await lag(home, log, service) for service in INTAKE]
    parts = PlatformSettings.load(home, "platform").partitioning.streams(ANNOTATIONS)
    if None in behind and any([await log.end(part) for part in parts]):
        return None
    return sum(each or 0 for each in behind)


def _is_starting(home: Path) -> bool:
    """A process that runs services tells its address here, before its services have read anything."""
    return any((home / "run").glob("*.json"))
