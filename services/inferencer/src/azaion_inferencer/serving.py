"""The model that serves, from the first that this device can have to each newer one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azaion_inferencer.announcements import NONE, Mark
from azaion_inferencer.current_model import Report, Wanted, hear, keep_current
from azaion_inferencer.device import Device
from azaion_inferencer.model_slot import LoadedModel, ModelSlot
from azaion_inferencer.ports import Fetched, ReleasedModel


class Serving:
    """The slot of a device, as soon as there is a model for it."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._release = NONE
        self._slot: asyncio.Future[ModelSlot] = asyncio.get_running_loop().create_future()

    @property
    def mark(self) -> Mark:
        """The release that serves."""
        return self._release

    async def slot(self) -> ModelSlot:
        """The slot, once it has its first model."""
        return await asyncio.shield(self._slot)

    async def start(self) -> ReleasedModel | None:
        """Serve the newest release that was kept, if there is one."""
        found = await asyncio.to_thread(self._device.start_with)
        if found is None:
            return None
        release, loaded = found
        self._begin(release, loaded)
        return release

    async def switch(self, release: ReleasedModel, fetched: Fetched) -> None:
        """Serve ``release``, and keep it to start with.

        Raises:
            AzaionError: as ``Device.load``; what served before still does.
        """

        def load() -> LoadedModel:
            return self._device.load(release, fetched.content)

        if self._slot.done():
            await asyncio.wrap_future(self._slot.result().replace(load))
            self._release = Mark.of(release)
        else:
            self._begin(release, await asyncio.to_thread(load))
        await asyncio.to_thread(self._device.keep, release, fetched)

    def close(self) -> None:
        """Let go of the slot, if there is one."""
        if self._slot.done() and not self._slot.cancelled():
            self._slot.result().close()
        self._slot.cancel()

    def _begin(self, release: ReleasedModel, loaded: LoadedModel) -> None:
        self._release = Mark.of(release)
        self._slot.set_result(ModelSlot(loaded))


@asynccontextmanager
async def serving(device: Device) -> AsyncIterator[Serving]:
    """Serves nothing yet."""
    made = Serving(device)
    try:
        yield made
    finally:
        made.close()


async def keep_serving(device: Device, serving: Serving, report: Report) -> None:
    """Take up each newer release, for ever."""
    wanted, place = Wanted(), await asyncio.to_thread(device.kept.place)
    async with asyncio.TaskGroup() as group:
        looks = device.feed.follow(place)
        group.create_task(hear(looks, wanted, remember=device.kept.remember, report=report))
        group.create_task(
            keep_current(wanted, device.download, serving.switch, serving=serving.mark, report=report)
        )
