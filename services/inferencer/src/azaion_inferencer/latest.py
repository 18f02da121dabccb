"""The newest published model in a slot, kept the newest while the block runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from azaion_common.errors import AzaionError, PermanentError
from azaion_common.runtime.platform import open_platform
from azaion_common.runtime.settings import PlatformSettings
from azaion_common.runtime.transports import check_exists
from azaion_inferencer.current_model import first_model, keep_current
from azaion_inferencer.device import open_device
from azaion_inferencer.model_slot import ModelSlot
from azaion_inferencer.ports import ReleasedModel
from azaion_inferencer.settings import InferencerSettings


@asynccontextmanager
async def serving_latest(home: Path, settings: InferencerSettings) -> AsyncIterator[ModelSlot]:
    """A slot that holds the newest release of ``home`` and takes up each newer one.

    Raises:
        PermanentError: ``home_missing``, ``no_release``, and what fetching or opening the release raises.
    """
    shared = PlatformSettings.load(home, "platform")
    check_exists(home, shared)
    async with open_platform(home, shared) as platform, open_device(platform, settings) as device:
        found = await first_model(device.download, device.load)
        if found is None:
            raise PermanentError(
                "no_release", "no model was published yet", hint="publish one, or name a file with --model"
            )
        release, loaded = found
        with ModelSlot(loaded) as slot:
            keeping = keep_current(
                device.feed.follow(),
                device.download,
                slot,
                device.load,
                serving=release.release,
                report=_quietly,
            )
            keeper = asyncio.create_task(keeping)
            try:
                yield slot
            finally:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)


async def _quietly(_release: ReleasedModel, _error: AzaionError | None) -> None:
    """A command has nobody to report to beyond its own log."""
