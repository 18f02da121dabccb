"""The ledger: one small database per service, in which effects, cursor and outgoing events change together.

Its owner brings the tables up to date, and gives out the numbers of the service's events: (epoch, sequence).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import BinaryIO, TypeVar
from uuid import uuid4

from sqlalchemy import Connection, MetaData

from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.database import engine, ownership
from azaion_common.platform.database.database import Database
from azaion_common.platform.ledger import epochs
from azaion_common.platform.ledger.handler import Effect
from azaion_common.platform.ledger.outbox import Outbox, Route

Result = TypeVar("Result")


def _whole(stream: str, _subject: str) -> str:
    return stream


class Ledger:
    """Use ``async with Ledger.open(url, "ingestor", tables.METADATA)``."""

    def __init__(self, database: Database, tenure: _Tenure, route: Route) -> None:
        self.service = database.name
        self.outbox_filled = asyncio.Event()
        self.outbox_filled.set()
        self.newest_trace: str | None = None
        """Of the event that was applied last: what no single event causes goes on with it."""
        self._database = database
        self._tenure = tenure
        self._route = route
        self._seats: Counter[str] = Counter()

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
        tenure = _Tenure(service, metadata, wait_s)
        on_connect = tenure.begin if exclusive else _look
        async with Database.open(url, service, on_connect, tenure.end) as database:
            yield cls(database, tenure, route)

    @property
    def epoch(self) -> int:
        """Of the line of numbers that events get now; 0 for one that only looks."""
        return self._tenure.epoch

    @property
    def changes(self) -> int:
        """As ``Database.changes``."""
        return self._database.changes

    def worker_name(self, queue: str) -> str:
        """A unique name for the leases of one more worker on ``queue``; the same after a restart.

        A ledger has one owner, so a lease under this name from before the restart is stale and may be taken over.
        """
        self._seats[queue] += 1
        return f"{self.service}/{self._tenure.instance}/{self._seats[queue]}"

    async def transact(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work`` in one transaction, and have what it puts into the outbox sent. Raises as ``Database.transact``."""
        result = await self._database.transact(work)
        self.outbox_filled.set()
        return result

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work``, which only reads, on one consistent state."""
        return await self._database.read(work)

    def stamp(self) -> object | None:
        """As ``Database.stamp``."""
        return self._database.stamp()

    async def renew_epoch(self) -> int:
        """Begin a new line of numbers, for a ledger that turned out to be an old copy; what is still owed gets them."""

        def renew(connection: Connection) -> int:
            self._tenure.epoch = epochs.renew(connection, self.service)
            return self._tenure.epoch

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


class _Tenure:
    """Exclusive ownership of a ledger. It survives an outage of the database unless another owner took over."""

    def __init__(self, service: str, metadata: MetaData, wait_s: float | None) -> None:
        self.epoch = 0
        self.instance = uuid4().hex  # of one that is only looked into: of no ledger at all
        self._service = service
        self._metadata = metadata
        self._wait_s = wait_s
        self._has_begun = False
        self._lock: BinaryIO | None = None

    def begin(self, connection: Connection) -> None:
        """On each new connection, in the database's thread.

        Raises:
            PermanentError: ``ledger_in_use``.
            TransientError: ``ledger_lost``: after an outage, somebody else is the owner; then it is not ours to write to.
        """
        from azaion_common.platform.ledger.migrating import migrate  # noqa: PLC0415 - slow to load, and who only looks needs none

        if self._lock is None:
            self._lock = self._take(connection)
        with connection.begin():
            engine.prepare(connection, self._service)
            migrate(connection, self._metadata)
            self.epoch = epochs.current(connection, self._service)
            self.instance = epochs.instance(connection, self._service)
        self._has_begun = True

    def _take(self, connection: Connection) -> BinaryIO | None:
        try:
            return ownership.take(connection, self._service, None if self._has_begun else self._wait_s)
        except PermanentError as error:
            if error.code == "ledger_in_use" and self._has_begun:
                raise TransientError("ledger_lost", error.message) from error
            raise

    def end(self) -> None:
        """Let somebody else be the owner."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _look(_connection: Connection) -> None:
    """Without ``exclusive``: nothing is made in the ledger."""
