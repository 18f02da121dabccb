"""Waiting until the services have taken in what was imported."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from azaion_common.contracts.annotations.wire import STREAM as ANNOTATIONS
from azaion_common.platform.cli.examination import lag
from azaion_common.platform.cli.patience import Patience
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.streams import EventLog

POLL_S = 0.5
INTAKE = ("ingestor", "augmentor", "trainer")
START = "start the services with: azaion up"


async def until_taken_in(
    home: Path, log: EventLog, patience: Patience, works: Callable[[], Awaitable[bool]]
) -> None:
    """Return when no service of the intake has messages of its streams left to handle.

    Services that are not there yet are waited for: ``works`` says whether they are.
    """
    while (pending := await _pending(home, log)) != 0:
        if not await works():
            patience.say(f"nobody takes in what was imported to {home}: {START}", about="nobody")
        elif pending is None:
            patience.say("the services are starting", about="starting")
        else:
            patience.say(f"{pending} messages are being taken in", about="intake")
        await asyncio.sleep(POLL_S)


async def _pending(home: Path, log: EventLog) -> int | None:
    """How many messages; None when there are some, and a service that has never read any."""
    behind = [await lag(home, log, service) for service in INTAKE]
    parts = PlatformSettings.load(home, "platform").partitioning.streams(ANNOTATIONS)
    if None in behind and any([await log.end(part) for part in parts]):
        return None
    return sum(each or 0 for each in behind)
