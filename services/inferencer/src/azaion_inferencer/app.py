"""The service: keeps the newest model, and runs it on the configured source."""

from __future__ import annotations

import asyncio

from sqlalchemy import MetaData

from azaion_common.contracts.events import ModelLoaded, ModelLoadFailed, ModelPublished, devices
from azaion_common.core.errors import AzaionError
from azaion_common.core.stopping import unless_stopped
from azaion_common.platform.ledger.handler import Outgoing
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.service import Service
from azaion_inferencer import metrics
from azaion_inferencer.device import open_device
from azaion_inferencer.serving import Serving, keep_serving, serving
from azaion_inferencer.settings import InferencerSettings
from azaion_inferencer.watching import watch


async def run(platform: Platform) -> None:
    """Serve the release that was kept at once, or else wait for a first one; then each newer one."""
    settings = InferencerSettings.load(platform.home, "inferencer")
    async with platform.open_ledger("inferencer", MetaData()) as ledger:
        await unless_stopped(platform.stopping, _serve(platform, settings, ledger))


async def _serve(platform: Platform, settings: InferencerSettings, ledger: Ledger) -> None:
    report = _Reporter(ledger, settings)
    async with open_device(platform, settings) as device, serving(device) as served:
        kept = await served.start()
        async with asyncio.TaskGroup() as group:
            if settings.source is not None:
                group.create_task(_watch(platform, settings, settings.source, served))
            if kept is not None:
                await report(kept, None)
            group.create_task(keep_serving(device, served, report))


async def _watch(platform: Platform, settings: InferencerSettings, source: str, served: Serving) -> None:
    await watch(platform.home, settings, source, await served.slot())


class _Reporter:
    """Tells the fleet's stream what this device runs, or why it refuses to."""

    def __init__(self, ledger: Ledger, settings: InferencerSettings) -> None:
        self._ledger = ledger
        self._settings = settings

    async def __call__(self, release: ModelPublished, error: AzaionError | None) -> None:
        if error is None:
            metrics.show_model(release.model_id, release.release)
        else:
            metrics.REFUSED.labels(error.code).inc()
        outgoing = Outgoing(devices.STREAM, self._event(release, error), self._settings.device)
        await self._ledger.transact(lambda connection: self._ledger.emit(connection, [outgoing]))

    def _event(self, release: ModelPublished, error: AzaionError | None) -> ModelLoaded | ModelLoadFailed:
        device, model_id, number = self._settings.device, release.model_id, release.release
        if error is None:
            return ModelLoaded(
                device=device, model_id=model_id, release=number, runtime=self._settings.runtime
            )
        return ModelLoadFailed(
            device=device, model_id=model_id, release=number, code=error.code, message=error.message[:2000]
        )


SERVICE = Service("inferencer", "Keeps the newest model and runs it on a source", run)
