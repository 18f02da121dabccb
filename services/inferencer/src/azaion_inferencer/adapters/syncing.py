"""Time, and not the number of writes, decides when what was written is made safe from a power cut."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

SYNC_WITHIN_S = 0.5
"""Half a second to gather, and as much again for the disk to do it: a power cut costs a second at the most."""


class SyncedSoon:
    """Calls ``sync`` in a thread of its own, ``within_s`` after something was written and not yet synced."""

    def __init__(self, sync: Callable[[], None], within_s: float = SYNC_WITHIN_S) -> None:
        self._sync = sync
        self._within_s = within_s
        self._written = Event()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="syncing", daemon=True)
        self._thread.start()

    def written(self) -> None:
        """Something waits to be synced."""
        self._written.set()

    def close(self) -> None:
        """End the thread; a last sync is the caller's."""
        self._closing.set()
        self._written.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._written.wait()
            if self._closing.wait(self._within_s):
                return
            self._written.clear()
            self._sync()
