"""Reading a ledger beside its owner: several at a time, none in the way of a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from azaion_common.platform.database import engine as database

READERS = 4

Result = TypeVar("Result")


class Readings:
    """Use ``async with Readings.open(url, "api")``, inside the block of the ledger itself, which makes the tables."""

    def __init__(self, service: str, engine: Engine) -> None:
        self._service = service
        self._engine = engine
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix=f"reads-{service}")

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, service: str) -> AsyncIterator[Readings]:
        """Readings of the ledger of ``service`` at ``url``.

        Raises:
            PermanentError: ``ledger_url_invalid``.
        """
        readings = cls(service, database.make_reading_engine(url, service, READERS))
        try:
            yield readings
        finally:
            await asyncio.to_thread(readings._threads.shutdown)
            readings._engine.dispose()

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work`` on one consistent state: what was committed when it begins.

        Raises:
            TransientError: ``ledger_unavailable``.
            PermanentError: ``ledger_corrupt``, ``ledger_denied``, ``ledger_outdated``; also when ``work`` writes.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, work)
        except sa.exc.DBAPIError as error:
            raise database.typed(error, self._service) from error

    def _read(self, work: Callable[[Connection], Result]) -> Result:
        with self._engine.connect() as connection:
            return work(connection)
