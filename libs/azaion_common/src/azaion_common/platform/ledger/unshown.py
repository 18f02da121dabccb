"""In place of a keeper of views, where pictures are not shown as files: notes of what is due are dropped."""

from __future__ import annotations

import asyncio

from sqlalchemy import Table

from azaion_common.core.stopping import unless_stopped
from azaion_common.platform.ledger.ledger import Ledger

EVERY_S = 30.0


class Unshown:
    """Drops the rows of ``notes``, a table of the ledger, now and then."""

    def __init__(self, ledger: Ledger, notes: Table) -> None:
        self._ledger = ledger
        self._notes = notes

    def ring(self) -> None:
        """Nobody waits for it."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Until ``stopping`` is set."""
        while not stopping.is_set():
            await self.finish()
            await unless_stopped(stopping, asyncio.sleep(EVERY_S))

    async def finish(self) -> None:
        """Drop what there is.

        Raises:
            TransientError: from the ledger.
        """
        await self._ledger.transact(lambda connection: connection.execute(self._notes.delete()))
