"""Work in threads on many items at a time: what comes while they are at it is the next group.

The way in which databases write their logs: each sync of the disk serves all who wait for it. A lone item waits for
nobody. It also saves the hop to a thread and back for each of many small pieces of work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")


class InGroups(Generic[Item, Result]):
    """Hands groups of at most ``most`` items to ``work``, ``at_once`` of them at the same time, each in a thread."""

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        at_once: int = 1,
        most: int | None = None,
    ) -> None:
        self._work = work
        self._at_once = at_once
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._working: set[asyncio.Task[None]] = set()

    async def put(self, item: Item) -> Result:
        """The result of ``item``. Raises what ``work`` raised for its group.

        Cancelled while it waits, an item is left out; later, it is worked on all the same.
        """
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if len(self._working) < self._at_once:
            self._working.add(asyncio.create_task(self._work_off()))
        return await result

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                taken = self._waiting[: self._most]
                del self._waiting[: len(taken)]
                group = [(item, result) for item, result in taken if not result.cancelled()]
                await self._work_on([item for item, _ in group], [result for _, result in group])
        finally:  # at once: what is put from now on needs another task
            self._working.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _work_on(self, items: list[Item], results: list[asyncio.Future[Result]]) -> None:
        try:
            found = await asyncio.to_thread(self._work, items)
        except Exception as error:  # noqa: BLE001 - each of them raises it
            for result in results:
                if not result.cancelled():
                    result.set_exception(error)
            return
        for result, value in zip(results, found, strict=True):
            if not result.cancelled():
                result.set_result(value)
