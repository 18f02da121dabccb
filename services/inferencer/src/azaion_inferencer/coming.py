"""A release on its way: a model was trained on this home, and is still being exported, sealed and published."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from azaion_common.contracts.events import Event, ExportFailed, ModelPublished, ModelTrained, PublishFailed
from azaion_common.contracts.events.models import STREAM
from azaion_common.platform.cli.model_events import contents
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.running import is_running

_PAGE = 500


async def is_coming(platform: Platform) -> bool:
    """Whether a trained model has neither become a release nor failed to, and somebody here works on it."""
    if not await asyncio.to_thread(is_running, platform.home, platform.settings, "publisher"):
        return False
    events: list[Event] = []
    offset = 0
    while batch := await platform.log.read(STREAM, offset, limit=_PAGE):
        events.extend(contents(batch))
        offset = batch[-1].offset + 1
    return bool(on_their_way(events))


def on_their_way(events: Iterable[Event]) -> set[str]:
    """Ids of the models between training and release. Pure."""
    coming: set[str] = set()
    for event in events:
        match event:
            case ModelTrained():
                coming.add(event.model_id)
            case ModelPublished() | ExportFailed() | PublishFailed():
                coming.discard(event.model_id)
            case _:
                pass
    return coming
