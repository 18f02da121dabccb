"""Keeps the model slot on the newest release while frames go through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from azaion_common.errors import AzaionError, TransientError
from azaion_inferencer.model_slot import LoadedModel, ModelSlot
from azaion_inferencer.ports import ModelProvider, ReleasedModel

Load = Callable[[ReleasedModel, bytes], LoadedModel]
_log = structlog.get_logger(__name__)


async def first_model(provider: ModelProvider, load: Load) -> tuple[ReleasedModel, LoadedModel] | None:
    """The newest release, loaded; None when nothing was released yet.

    Raises:
        AzaionError: what fetching, verifying or loading it raises.
    """
    release = await provider.newest()
    if release is None:
        return None
    content = await provider.fetch(release)
    return release, await asyncio.to_thread(load, release, content)


async def keep_current(
    announcements: AsyncIterator[ReleasedModel],
    provider: ModelProvider,
    slot: ModelSlot,
    load: Load,
    *,
    serving: int,
    report: Callable[[ReleasedModel, AzaionError | None], Awaitable[None]],
) -> None:
    """Switch to each newer release as it is announced; runs for ever.

    A release that cannot be fetched, verified or run is reported, and the old model keeps serving. ``serving`` is
    the number of the release in the slot.
    """
    async for release in announcements:
        if release.release <= serving:
            continue  # told late, or told twice: never go back
        error = await _switch(release, provider, slot, load)
        if error is None:
            serving = release.release
            _log.info("model.switched", model_id=release.model_id, release=release.release)
        else:
            _log.warning(
                "model.refused",
                model_id=release.model_id,
                release=release.release,
                code=error.code,
                error=error.message,
            )
        await report(release, error)


async def _switch(
    release: ReleasedModel, provider: ModelProvider, slot: ModelSlot, load: Load
) -> AzaionError | None:
    try:
        content = await _fetched(provider, release)
        await asyncio.wrap_future(slot.replace(lambda: load(release, content)))
    except AzaionError as error:
        return error
    return None


async def _fetched(provider: ModelProvider, release: ReleasedModel) -> bytes:
    """One more try after a transient failure; the provider has its own retries below that."""
    try:
        return await provider.fetch(release)
    except TransientError:
        await asyncio.sleep(1)
        return await provider.fetch(release)
