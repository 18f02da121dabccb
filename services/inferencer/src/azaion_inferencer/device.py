"""A device put together: where releases come from, how they are opened, what executes them. Knows concrete classes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from azaion_common.detection.runtimes import load
from azaion_common.detection.runtimes.outputs import Thresholds
from azaion_common.packages import FleetKeyWrapper, load_fleet_key
from azaion_common.runtime.platform import Platform
from azaion_inferencer.adapters.account_file import read_account
from azaion_inferencer.adapters.release_download import ReleaseDownload
from azaion_inferencer.adapters.release_feed import ReleaseFeed
from azaion_inferencer.model_slot import LoadedModel, warmed
from azaion_inferencer.ports import ReleasedModel
from azaion_inferencer.settings import InferencerSettings

API_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Device:
    """Where models come from and what runs them."""

    feed: ReleaseFeed
    download: ReleaseDownload
    settings: InferencerSettings

    def load(self, release: ReleasedModel, content: bytes) -> LoadedModel:
        """``content`` in the runtime, warmed.

        Raises:
            PermanentError: when the runtime cannot be had or refuses the model.
        """
        model = load(
            content,
            runtime=self.settings.runtime,
            threads=self.settings.threads,
            precision=self.settings.precision,
            accelerator=self.settings.accelerator,
            thresholds=Thresholds(self.settings.confidence),
        )
        return warmed(LoadedModel(release.model_id, model, dict(enumerate(release.class_colours))))


@asynccontextmanager
async def open_device(platform: Platform, settings: InferencerSettings) -> AsyncIterator[Device]:
    """The device of this home.

    Raises:
        PermanentError: ``account_missing``, ``fleet_key_missing``.
    """
    feed = ReleaseFeed(platform.log, settings.target)
    async with (
        platform.open_releases() as releases,
        httpx.AsyncClient(base_url=platform.api_url, timeout=API_TIMEOUT_S) as client,
    ):
        yield Device(
            feed=feed,
            download=ReleaseDownload(
                client=client,
                account=read_account(platform.home / settings.account),
                store=releases,
                wrapper=FleetKeyWrapper(load_fleet_key(platform.home / settings.fleet_key)),
                cache=platform.home / "inferencer" / "parts",
                feed=feed.newest,
            ),
            settings=settings,
        )
