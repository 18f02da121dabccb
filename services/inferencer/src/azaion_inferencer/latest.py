"""The newest published model in a slot, kept the newest while the block runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import structlog
from anyio.from_thread import start_blocking_portal
from rich.console import Console

from azaion_common.contracts.events import ModelPublished
from azaion_common.core.errors import AzaionError, PermanentError, TransientError
from azaion_common.platform.cli.patience import Patience
from azaion_common.platform.cli.pending_work import absence_explained
from azaion_common.platform.runtime.platform import Platform, open_platform
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import check_exists
from azaion_inferencer.announcements import Look
from azaion_inferencer.coming import is_coming
from azaion_inferencer.device import Device, open_device
from azaion_inferencer.model_slot import ModelSlot
from azaion_inferencer.serving import Serving, keep_serving, serving
from azaion_inferencer.settings import InferencerSettings

NEWS_S = 1.5
"""How long a device that has a release to start with waits for word of a newer one."""
FIRST_NEWS_S = 30.0
"""The same, of one that has none."""
LOOK_S = 1.0
"""How often it is looked for a first release that is on its way."""
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def serving_latest(home: Path, settings: InferencerSettings) -> AsyncIterator[ModelSlot]:
    """A slot that holds the newest release of ``home`` and takes up each newer one.

    Where nobody can be asked, it is the newest of those that were fetched before. Where a first one is on its way, because
    a training has just ended, it is waited for.

    Raises:
        PermanentError: ``home_missing``, ``no_release``, and what believing, fetching or opening the release raises.
        TransientError: nobody can be asked, and nothing was fetched before.
    """
    shared = PlatformSettings.load(home, "platform")
    check_exists(home, shared)
    async with (
        open_platform(home, shared) as platform,
        open_device(platform, settings) as device,
        serving(device) as served,
    ):
        if not device.kept.releases():
            await _wait_while_coming(platform, device)
        await _begin(device, served)
        slot = await served.slot()
        keeper = asyncio.create_task(keep_serving(device, served, _quietly))
        try:
            yield slot
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)


@contextmanager
def serving_latest_blocking(home: Path, given: Mapping[str, object]) -> Iterator[ModelSlot]:
    """``serving_latest`` for a caller that has no event loop; ``given`` takes the place of settings. An error says what
    was to be started before.

    Raises: as ``serving_latest``.
    """
    settings = InferencerSettings.load(home, "inferencer").model_copy(update=dict(given))
    # Releases are followed by an event loop in a thread of its own: the caller's thread belongs to the frames.
    with (
        hinting_at_up(),
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_explained(home, settings)) as slot,
    ):
        yield slot


@asynccontextmanager
async def _explained(home: Path, settings: InferencerSettings) -> AsyncIterator[ModelSlot]:
    async with absence_explained(home), serving_latest(home, settings) as slot:
        yield slot


@contextmanager
def hinting_at_up() -> Iterator[None]:
    """Where nobody answers for releases, what may be missing."""
    try:
        yield
    except TransientError as error:
        if error.code == "api_unavailable" and error.hint is None:
            error.hint = "is `azaion up` running? or name a model file with --model"
        raise


async def _wait_while_coming(platform: Platform, device: Device) -> None:
    with Patience(Console(stderr=True)) as patience:
        while _is_silent(await _look(device, FIRST_NEWS_S)) and await is_coming(platform):
            patience.say("the model that was trained last is being exported and published", about="coming")
            await asyncio.sleep(LOOK_S)


def _is_silent(look: Look | AzaionError) -> bool:
    return isinstance(look, Look) and look.newest is None and not look.refusals


async def _begin(device: Device, served: Serving) -> None:
    patience_s = NEWS_S if device.kept.releases() else FIRST_NEWS_S
    _, look = await asyncio.gather(served.start(), _look(device, patience_s))
    if isinstance(look, AzaionError) and not served.mark.release and patience_s == NEWS_S:
        look = await _look(device, FIRST_NEWS_S)  # what was kept does not run, so there is more to wait for
    await _take_up(device, served, look)


async def _look(device: Device, patience_s: float) -> Look | AzaionError:
    try:
        async with asyncio.timeout(patience_s):
            return await device.feed.look(await asyncio.to_thread(device.kept.place))
    except TimeoutError:
        return TransientError("no_news", f"nobody told within {patience_s:g} s which release is the newest")
    except AzaionError as error:
        return error


async def _take_up(device: Device, served: Serving, look: Look | AzaionError) -> None:
    """Serve what the look found, unless that is served already; whatever fails does so only where nothing serves."""
    try:
        newest = _newest(look)
        if newest.newest is not None and newest.newest.release > served.mark.release:
            await served.switch(newest.newest, await device.download.fetch(newest.newest))
        elif not served.mark.release:
            raise _nothing(newest)
    except AzaionError as error:
        if not served.mark.release:
            raise
        _log.warning("release.from_before", release=served.mark.release, code=error.code, error=error.message)


def _newest(look: Look | AzaionError) -> Look:
    if isinstance(look, AzaionError):
        raise look
    return look


def _nothing(look: Look) -> PermanentError:
    if look.refusals:
        return look.refusals[-1].error
    return PermanentError(
        "no_release", "no model was published yet", hint="publish one, or name a file with --model"
    )


async def _quietly(_release: ModelPublished, _error: AzaionError | None) -> None:
    """A command has nobody to report to beyond its own log."""
