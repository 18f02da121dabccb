"""Keeps the model slot on the newest release while frames go through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import structlog

from azaion_common.contracts.events import ModelPublished
from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import AzaionError, SetupError, TransientError
from azaion_common.core.seldom import Seldom
from azaion_inferencer.announcements import Look, Mark, Place
from azaion_inferencer.ports import Fetched, ModelProvider, ReleasedModel

Report = Callable[[ModelPublished, AzaionError | None], Awaitable[None]]
"""Told of a release that runs now, or that was refused and why."""
Switch = Callable[[ReleasedModel, Fetched], Awaitable[None]]
"""Makes a release the one that runs. Raises PermanentError when it does not, and the one before still does."""
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 120.0
_log = structlog.get_logger(__name__)


class Wanted:
    """The newest release that was announced and not dealt with yet: a newer one takes its place."""

    def __init__(self) -> None:
        self._release: ReleasedModel | None = None
        self._news = asyncio.Event()

    def put(self, release: ReleasedModel) -> None:
        """``release`` was announced."""
        if self._release is None or release.release > self._release.release:
            self._release = release
            self._news.set()

    async def take(self) -> ReleasedModel:
        """The newest, as soon as there is one."""
        while self._release is None:
            self._news.clear()
            await self._news.wait()
        self._news.clear()
        release, self._release = self._release, None
        return release

    async def put_back(self, release: ReleasedModel, pause_s: float) -> None:
        """``release`` is to be tried again, after a pause that a newer one ends."""
        if self._release is None:
            self._release = release
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._news.wait()


async def hear(
    looks: AsyncIterator[Look], wanted: Wanted, *, remember: Callable[[Place], None], report: Report
) -> None:
    """Put what is announced into ``wanted``, and tell of what is not believed; as long as there are looks."""
    async for look in looks:
        for refusal in look.refusals:
            _refused(refusal.release, refusal.error)
            await report(refusal.release, refusal.error)
        if look.newest is not None:
            wanted.put(look.newest)
            try:
                remember(look.place)
            except AzaionError as error:
                _log.warning("releases.place_not_kept", code=error.code, error=error.message)


async def keep_current(
    wanted: Wanted,
    provider: ModelProvider,
    switch: Switch,
    *,
    serving: Mark,
    report: Report,
    pauses: Backoff | None = None,
) -> None:
    """Switch to each newer release, one after the other; runs for ever.

    What cannot be fetched for now is tried again, with growing pauses, until a newer one is there. What is wrong with
    itself, or does not run, is reported; the model before it keeps serving. ``serving`` is the release in the slot.
    """
    pauses, seldom = pauses or Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S), Seldom()
    while True:
        release = await wanted.take()
        if release.release <= serving.release:
            continue  # told twice: never go back
        try:
            await switch(release, await provider.fetch(release))
        except (TransientError, SetupError) as error:
            if seldom.due((release.release, error.code)):
                _log.warning("model.waiting", release=release.release, code=error.code, error=error.message)
                if isinstance(error, SetupError):
                    await report(release, error)
            await wanted.put_back(release, pauses.next())
        except AzaionError as error:
            _refused(release, error)
            await report(release, error)
        else:
            serving = Mark.of(release)
            pauses.reset()
            _log.info("model.switched", model_id=release.model_id, release=release.release)
            await report(release, None)


def _refused(release: ModelPublished, error: AzaionError) -> None:
    _log.warning(
        "model.refused",
        model_id=release.model_id,
        release=release.release,
        code=error.code,
        error=error.message,
    )
