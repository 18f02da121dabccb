"""Wakes readers in this and other processes when a file-backed log or queue has something new.

A writer touches one small file; the kernel (inotify) tells every reader of it. Readers never poll for news. A slow
heartbeat looks whether files were written to, for file systems that report no changes and writers that died before they rang.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import structlog
from inotify_simple import INotify, flags

from azaion_common.core.durable import PRIVATE_FILE, storage_errors, trace_of_writing

HEARTBEAT_S = 5.0
POLL_S = 0.2
"""In place of the heartbeat where the kernel tells nothing."""
_log = structlog.get_logger(__name__)


class Doorbell:
    """``ring`` on one side, ``wait`` on any number of others."""

    def __init__(self, path: Path, *, written: Sequence[Path] = (), only_heard: bool = False) -> None:
        """``written``: files that a writer changes before it rings. ``only_heard``: listen without creating the file."""
        self._path = path
        self._only_heard = only_heard
        self._files = (path, *written)
        self._rung = asyncio.Event()
        self._count = 0
        self._traces: list[tuple[int, int]] = []
        self._kernel: INotify | None = None
        self._heartbeat: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        if not self._only_heard:
            with storage_errors(self._path):
                self._path.touch(mode=PRIVATE_FILE)
        self._traces = self._look()
        self._kernel = _watch(self._path.parent)
        if self._kernel is not None:
            asyncio.get_running_loop().add_reader(self._kernel.fileno(), self._on_changes, self._kernel)
        self._beat_later()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        if self._kernel is not None:
            asyncio.get_running_loop().remove_reader(self._kernel.fileno())
            self._kernel.close()

    @property
    def count(self) -> int:
        """Rises with every ring; read it before looking for news, then wait for it to change."""
        return self._count

    async def ring(self) -> None:
        """Wake the readers of this process at once, those of others within milliseconds."""
        os.utime(self._path)
        self._wake()

    async def wait(self, seen: int) -> None:
        """Return when the bell has rung since ``count`` was ``seen``."""
        while self._count == seen:
            await self._rung.wait()

    def _wake(self) -> None:
        self._count += 1
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    def _on_changes(self, kernel: INotify) -> None:
        changes = kernel.read(timeout=0)
        if any(change.name == self._path.name or change.mask & flags.Q_OVERFLOW for change in changes):
            self._wake()

    def _beat_later(self) -> None:
        every_s = HEARTBEAT_S if self._kernel is not None else POLL_S
        self._heartbeat = asyncio.get_running_loop().call_later(every_s, self._beat)

    def _beat(self) -> None:
        traces = self._look()
        if traces != self._traces:
            self._traces = traces
            self._wake()
        self._beat_later()

    def _look(self) -> list[tuple[int, int]]:
        return [trace_of_writing(path) for path in self._files]


def _watch(folder: Path) -> INotify | None:
    """What tells of rings in ``folder``; None where the kernel has no such thing, or no more of them."""
    try:
        kernel = INotify(nonblocking=True)
    except (OSError, AttributeError) as error:
        _log.warning("doorbell.polls", folder=str(folder), error=str(error))
        return None
    kernel.add_watch(folder, flags.ATTRIB)
    return kernel
