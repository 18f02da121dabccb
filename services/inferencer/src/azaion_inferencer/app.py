"""The service: keeps the newest model, and runs it on the configured source."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import MetaData

from azaion_common.errors import AzaionError, TransientError
from azaion_common.events import ModelLoaded, ModelLoadFailed, devices, models
from azaion_common.ledger.handler import Outgoing
from azaion_common.ledger.ledger import Ledger
from azaion_common.runtime.platform import Platform
from azaion_common.runtime.service import Service
from azaion_common.runtime.stopping import unless_stopped
from azaion_inferencer import metrics
from azaion_inferencer.adapters.release_feed import ReleaseFeed
from azaion_inferencer.current_model import keep_current
from azaion_inferencer.device import Device, open_device
from azaion_inferencer.model_slot import LoadedModel, ModelSlot
from azaion_inferencer.ports import ReleasedModel
from azaion_inferencer.settings import InferencerSettings
from azaion_inferencer.watching import watch

RETRY_S = 5.0
_log = structlog.get_logger(__name__)


async def run(platform: Platform) -> None:
    """Wait for a first release, then serve it and each newer one."""
    settings = InferencerSettings.load(platform.home, "inferencer")
    async with platform.open_ledger("inferencer", MetaData()) as ledger:
        await unless_stopped(platform.stopping, _serve(platform, settings, ledger))


async def _serve(platform: Platform, settings: InferencerSettings, ledger: Ledger) -> None:
    reporter = _Reporter(ledger, settings)
    await _first_announcement(platform, settings)
    async with open_device(platform, settings) as device:
        release, loaded = await _first(device, reporter)
        with ModelSlot(loaded) as slot:
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    keep_current(
                        device.feed.follow(),
                        device.download,
                        slot,
                        device.load,
                        serving=release.release,
                        report=reporter,
                    )
                )
                if settings.source is not None:
                    group.create_task(watch(platform.home, settings, settings.source, slot))


async def _first_announcement(platform: Platform, settings: InferencerSettings) -> None:
    """Before the first release there may be no account and no key either: nothing to open yet."""
    feed = ReleaseFeed(platform.log, settings.target)
    async for _records in platform.log.follow(models.STREAM):
        if await feed.newest() is not None:
            return


async def _first(device: Device, reporter: _Reporter) -> tuple[ReleasedModel, LoadedModel]:
    """The first release that works; one that is refused is reported once, and the next one waited for."""
    refused = 0
    while True:
        release = await device.feed.newest()
        if release is not None and release.release > refused:
            try:
                loaded = await asyncio.to_thread(device.load, release, await device.download.fetch(release))
            except TransientError as error:
                _log.warning("model.waiting", code=error.code, error=error.message)
            except AzaionError as error:
                refused = release.release
                await reporter(release, error)
            else:
                await reporter(release, None)
                return release, loaded
        await asyncio.sleep(RETRY_S)


class _Reporter:
    """Tells the fleet's stream what this device runs, or why it refuses to."""

    def __init__(self, ledger: Ledger, settings: InferencerSettings) -> None:
        self._ledger = ledger
        self._settings = settings

    async def __call__(self, release: ReleasedModel, error: AzaionError | None) -> None:
        if error is None:
            metrics.show_model(release.model_id, release.release)
        outgoing = Outgoing(devices.STREAM, self._event(release, error), self._settings.device)
        await self._ledger.transact(lambda connection: self._ledger.emit(connection, [outgoing]))

    def _event(self, release: ReleasedModel, error: AzaionError | None) -> ModelLoaded | ModelLoadFailed:
        device, model_id, number = self._settings.device, release.model_id, release.release
        if error is None:
            return ModelLoaded(
                device=device, model_id=model_id, release=number, runtime=self._settings.runtime
            )
        return ModelLoadFailed(
            device=device, model_id=model_id, release=number, code=error.code, message=error.message[:2000]
        )


SERVICE = Service("inferencer", "Keeps the newest model and runs it on a source", run)
