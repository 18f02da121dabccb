"""One durable database with serial transactions.

All access goes through one thread with one connection: transactions are serial, and the loop never blocks.
Commits are durable: SQLite runs with ``synchronous=FULL``, PostgreSQL with ``synchronous_commit=on``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from azaion_common.core.errors import SetupError
from azaion_common.platform.database.after_commit import take_actions
from azaion_common.platform.database.engine import file_of, make_engine, trace_of, typed

Result = TypeVar("Result")
OnConnect = Callable[[Connection], None]
"""What is done with each new connection, before anything else: the first one, and those after an outage."""
OnClose = Callable[[], None]
"""What is done behind the last transaction, when there is no connection any more. Both in the database's thread."""


def _nothing(_connection: Connection) -> None: ...


def _nothing_at_last() -> None: ...


class Database:
    """Use ``async with Database.open(url, "jobs")``."""

    def __init__(self, name: str, engine: Engine, on_connect: OnConnect, on_close: OnClose) -> None:
        self.name = name
        self.changes = 0
        """Transactions so far: as long as it is the same, so is what the database holds."""
        self._engine = engine
        self._on_connect = on_connect
        self._on_close = on_close
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"database-{name}")
        self._connection: Connection | None = None
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        name: str,
        on_connect: OnConnect = _nothing,
        on_close: OnClose = _nothing_at_last,
    ) -> AsyncIterator[Database]:
        """The database ``name`` at ``url``: a SQLite file, or a schema in a PostgreSQL database. No table is made.

        Raises:
            TransientError: ``ledger_unavailable``, ``disk_full``.
            PermanentError: ``ledger_corrupt``, ``ledger_denied``, ``ledger_url_invalid``; and what ``on_connect`` raises.
        """
        database = cls(name, make_engine(url, name), on_connect, on_close)
        try:
            await database._in_thread(database._connect)
            yield database
        finally:
            await database._in_thread(database._close)
            await asyncio.to_thread(database._thread.shutdown)

    async def transact(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work`` in one transaction: all of it is durable when this returns, or none of it happened.

        Raises:
            TransientError: ``ledger_unavailable``: it may have happened, if the connection broke during the commit.
        """
        try:
            return await self._in_thread(lambda: self._transact(work))
        finally:
            self.changes += 1

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work``, which only reads, on one consistent state."""
        return await self._in_thread(lambda: self._transact(work))

    def stamp(self) -> object | None:
        """A version stamp: it changes when any process writes to the database. None where that cannot be told.

        Cheap (two calls of stat): for polling.
        """
        file = file_of(self._engine)
        return None if file is None else trace_of(file)

    def _connect(self) -> Connection:
        connection = self._engine.connect()
        try:
            self._on_connect(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sa.exc.DBAPIError):  # of a connection that is broken already
                self._connection.close()
            self._connection = None
        self._engine.dispose()

    def _close(self) -> None:
        """Runs in the database's thread, behind all queued transactions, also when their callers were cancelled."""
        self._closed = True
        self._disconnect()
        self._on_close()

    def _transact(self, work: Callable[[Connection], Result]) -> Result:
        if self._closed:
            raise SetupError("ledger_closed", f"the database of {self.name} is closed")
        connection = self._connection or self._connect()
        try:
            take_actions(connection)  # of a transaction that failed
            with connection.begin():
                result = work(connection)
        except sa.exc.DBAPIError as error:
            if error.connection_invalidated or connection.invalidated or connection.closed:
                self._disconnect()
            raise
        for action in take_actions(connection):
            action()
        return result

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.shield(loop.run_in_executor(self._thread, work))
        except sa.exc.IntegrityError:
            raise
        except sa.exc.DBAPIError as error:
            raise await asyncio.to_thread(typed, error, self.name, file_of(self._engine)) from error
