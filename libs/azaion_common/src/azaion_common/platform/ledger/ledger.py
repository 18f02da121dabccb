"""The ledger: one small database per service, in which effects, cursor and outgoing events change together.

All access goes through one thread with one connection: transactions are serial, and the loop never blocks.
Commits are durable: SQLite runs with ``synchronous=FULL``, PostgreSQL with ``synchronous_commit=on``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import BinaryIO, TypeVar
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, MetaData

from azaion_common.core.errors import PermanentError, SetupError, TransientError
from azaion_common.platform.ledger import engine as database
from azaion_common.platform.ledger import epochs, ownership
from azaion_common.platform.ledger.after_commit import take_actions
from azaion_common.platform.ledger.engine import sqlite_url
from azaion_common.platform.ledger.handler import Effect
from azaion_common.platform.ledger.outbox import Outbox, Route

__all__ = ["Ledger", "sqlite_url"]

Result = TypeVar("Result")


def _whole(stream: str, _subject: str) -> str:
    return stream


class Ledger:
    """Use ``async with Ledger.open(url, "ingestor", tables.METADATA)``."""

    def __init__(
        self, service: str, engine: Engine, metadata: MetaData, *, exclusive: bool, route: Route
    ) -> None:
        self.service = service
        self.epoch = 0
        self.outbox_filled = asyncio.Event()
        self.changes = 0
        """Transactions so far: as long as it is the same, so is what the ledger holds."""
        self.newest_trace: str | None = None
        """Of the event that was applied last: what no single event causes goes on with it."""
        self._instance = uuid4().hex  # of one that is only looked into: of no ledger at all
        self._seats: Counter[str] = Counter()
        self._engine = engine
        self._metadata = metadata
        self._exclusive = exclusive
        self._route = route
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"ledger-{service}")
        self._connection: Connection | None = None
        self._owned: BinaryIO | None = None
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        service: str,
        metadata: MetaData,
        *,
        exclusive: bool = True,
        wait_s: float | None = None,
        route: Route = _whole,
    ) -> AsyncIterator[Ledger]:
        """The ledger of ``service`` at ``url``: a SQLite file, or a schema in a PostgreSQL database.

        ``route`` says which part of a partitioned stream an event goes to.

        The exclusive owner brings the tables up to date; ``wait_s`` is its patience with another owner. Without
        ``exclusive`` the ledger can be looked at while its owner works, and nothing is made.

        Raises:
            TransientError: ``ledger_unavailable``, ``disk_full``.
            PermanentError: ``ledger_in_use``, ``ledger_corrupt``, ``ledger_not_durable``, ``ledger_denied``,
                ``ledger_too_new``.
        """
        ledger = cls(service, database.make_engine(url, service), metadata, exclusive=exclusive, route=route)
        try:
            await ledger._in_thread(lambda: ledger._connect(wait_s))
            ledger.outbox_filled.set()
            yield ledger
        finally:
            await ledger._in_thread(ledger._close)
            await asyncio.to_thread(ledger._thread.shutdown)

    def worker_name(self, queue: str) -> str:
        """Whose name the leases of another worker on ``queue`` are to have, which no other living worker has.

        A ledger has one owner. So whatever is leased under the same name since an earlier life is held by nobody.
        """
        self._seats[queue] += 1
        return f"{self.service}/{self._instance}/{self._seats[queue]}"

    async def transact(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work`` in one transaction: all of it is durable when this returns, or none of it happened.

        Raises:
            TransientError: ``ledger_unavailable``: it may have happened, if the connection broke during the commit.
        """
        try:
            result = await self._in_thread(lambda: self._transact(work))
        finally:
            self.changes += 1
        self.outbox_filled.set()
        return result

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work``, which only reads, on one consistent state."""
        return await self._in_thread(lambda: self._transact(work))

    def stamp(self) -> object | None:
        """Equal to an earlier one while nobody, in any process, has written since; None where that cannot be told.

        Costs next to nothing: for whoever looks now and then for what others may have written.
        """
        file = database.file_of(self._engine)
        return None if file is None else database.trace_of(file)

    async def renew_epoch(self) -> int:
        """Begin a new line of numbers, for a ledger that turned out to be an old copy; what is still owed gets them."""

        def renew(connection: Connection) -> int:
            self.epoch = epochs.renew(connection, self.service)
            return self.epoch

        return await self.transact(renew)

    def outbox(self, connection: Connection) -> Outbox:
        """What the transaction of ``connection`` owes to others; to be flushed before its end."""
        return Outbox(connection, self.service, self.epoch, self._route)

    def emit(
        self, connection: Connection, effects: Iterable[Effect], *, traceparent: str | None = None
    ) -> None:
        """Put ``effects`` into the outbox, inside the transaction of ``connection``."""
        outbox = self.outbox(connection)
        outbox.add(effects, traceparent=traceparent)
        outbox.flush()

    def _connect(self, wait_s: float | None) -> Connection:
        connection = self._engine.connect()
        try:
            if self._exclusive:
                self._own(connection, wait_s)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _own(self, connection: Connection, wait_s: float | None) -> None:
        from azaion_common.platform.ledger.migrating import migrate  # noqa: PLC0415 - slow to load, and who only looks needs none

        if self._owned is None:
            self._owned = ownership.take(connection, self.service, wait_s)
        with connection.begin():
            database.prepare(connection, self.service)
            migrate(connection, self._metadata)
            self.epoch = epochs.current(connection, self.service)
            self._instance = epochs.instance(connection, self.service)

    def _reconnect(self) -> Connection:
        """After an outage. Somebody else may own the ledger by now: then it is not ours to write to."""
        try:
            return self._connect(None)
        except PermanentError as error:
            if error.code != "ledger_in_use":
                raise
            raise TransientError("ledger_lost", error.message) from error

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sa.exc.DBAPIError):  # of a connection that is broken already
                self._connection.close()
            self._connection = None
        self._engine.dispose()

    def _close(self) -> None:
        """In the thread, so that what was asked for before still happens."""
        self._closed = True
        self._disconnect()
        if self._owned is not None:
            self._owned.close()
            self._owned = None

    def _transact(self, work: Callable[[Connection], Result]) -> Result:
        if self._closed:
            raise SetupError("ledger_closed", f"the ledger of {self.service} is closed")
        connection = self._connection or self._reconnect()
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
            file = database.file_of(self._engine)
            raise await asyncio.to_thread(database.typed, error, self.service, file) from error
