"""Wakes readers in this and other processes when a file-backed log or queue has something new.

A writer touches one small file; every reader watches its folder through the kernel (inotify and its kin, by
``watchfiles``). Readers never poll for news; a slow heartbeat covers file systems that report no changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Self

from watchfiles import Change, awatch

HEARTBEAT_MS = 5_000


class Doorbell:
    """``ring`` on one side, ``wait`` on any number of others."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rung = asyncio.Condition()
        self._count = 0
        self._stop = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._path.touch()
        self._watcher = asyncio.create_task(self._watch(), name=f"doorbell {self._path.name}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher

    @property
    def count(self) -> int:
        """Rises with every ring; read it before looking for news, then wait for it to change."""
        return self._count

    async def ring(self) -> None:
        """Wake the readers of this process at once, those of others within milliseconds."""
        os.utime(self._path)
        await self._wake()

    async def wait(self, seen: int) -> None:
        """Return when the bell has rung since ``count`` was ``seen``."""
        async with self._rung:
            await self._rung.wait_for(lambda: self._count != seen)

    async def _wake(self) -> None:
        async with self._rung:
            self._count += 1
            self._rung.notify_all()

    async def _watch(self) -> None:
        name = self._path.name
        async for _changes in awatch(
            self._path.parent,
            watch_filter=lambda _change, path: path.endswith(name) and _change != Change.deleted,
            debounce=20,
            step=5,
            rust_timeout=HEARTBEAT_MS,
            yield_on_timeout=True,
            stop_event=self._stop,
            recursive=False,
        ):
            await self._wake()
