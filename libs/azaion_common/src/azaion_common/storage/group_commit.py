"""What comes while a group is being written is the next group: each sync of the disk serves all who wait for it.

The way of databases with their logs. A lone item waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """Hands groups to ``write``, one after the other, each in a thread."""

    def __init__(self, write: Callable[[Sequence[Item]], Sequence[Result]]) -> None:
        self._write = write
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def put(self, item: Item) -> Result:
        """The result of ``item``. Raises what ``write`` raised for its group.

        Cancelled while it waits, an item is not written; later, it is written all the same.
        """
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_groups())
        return await result

    async def _write_groups(self) -> None:
        while self._waiting:
            group = [(item, result) for item, result in self._waiting if not result.cancelled()]
            self._waiting = []
            await self._write_group([item for item, _ in group], [result for _, result in group])

    async def _write_group(self, items: list[Item], results: list[asyncio.Future[Result]]) -> None:
        try:
            written = await asyncio.to_thread(self._write, items)
        except Exception as error:  # noqa: BLE001 - each of them raises it
            for result in results:
                if not result.cancelled():
                    result.set_exception(error)
            return
        for result, value in zip(results, written, strict=True):
            if not result.cancelled():
                result.set_result(value)
