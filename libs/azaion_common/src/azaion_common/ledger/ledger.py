"""The ledger: one small database per service, in which effects, cursor and outgoing events change together.

All access goes through one thread with one connection: transactions are serial, and the loop never blocks.
SQLite runs with ``synchronous=FULL``; anything less loses acknowledged commits in a power cut.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, MetaData

from azaion_common.errors import PermanentError, TransientError
from azaion_common.events.envelope import Envelope
from azaion_common.ledger import tables
from azaion_common.ledger.handler import Effect
from azaion_common.ledger.outbox import Outbox
from azaion_common.storage.durable import make_folder

Result = TypeVar("Result")


class Ledger:
    """Use ``async with Ledger.open(url, "ingestor", tables.METADATA)``."""

    def __init__(self, service: str, engine: Engine) -> None:
        self.service = service
        self.epoch = 0
        self.outbox_filled = asyncio.Event()
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"ledger-{service}")
        self._connection: Connection | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, service: str, metadata: MetaData) -> AsyncIterator[Ledger]:
        """The ledger at ``url``, its tables made when missing.

        Raises:
            TransientError: ``ledger_unavailable``.
            PermanentError: ``ledger_corrupt``, ``ledger_not_durable``.
        """
        ledger = cls(service, _engine(url))
        try:
            await ledger._in_thread(lambda: ledger._connect(metadata))
            ledger.outbox_filled.set()
            yield ledger
        finally:
            await ledger._in_thread(ledger._close)
            await asyncio.to_thread(ledger._thread.shutdown)

    async def transact(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work`` in one transaction: all of it is durable when this returns, or none of it happened."""
        result = await self._in_thread(lambda: self._transact(work))
        self.outbox_filled.set()
        return result

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work``, which only reads, on one consistent state."""
        return await self._in_thread(lambda: self._transact(work))

    def outbox(self, connection: Connection) -> Outbox:
        """What the transaction of ``connection`` owes to others; to be flushed before its end."""
        return Outbox(connection, self.service, self.epoch)

    def emit(
        self, connection: Connection, effects: Iterable[Effect], *, cause: Envelope | None = None
    ) -> None:
        """Put ``effects`` into the outbox, inside the transaction of ``connection``."""
        outbox = self.outbox(connection)
        outbox.add(effects, cause=cause)
        outbox.flush()

    def _connect(self, metadata: MetaData) -> None:
        self._connection = self._engine.connect()
        with self._connection.begin():
            tables.METADATA.create_all(self._connection)
            metadata.create_all(self._connection)
            self.epoch = _epoch(self._connection, self.service)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    def _transact(self, work: Callable[[Connection], Result]) -> Result:
        if self._connection is None:
            raise PermanentError("ledger_closed", f"the ledger of {self.service} is closed")
        with self._connection.begin():
            return work(self._connection)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.shield(loop.run_in_executor(self._thread, work))
        except sa.exc.OperationalError as error:
            code = "disk_full" if "full" in str(error.orig) else "ledger_unavailable"
            raise TransientError(code, f"ledger of {self.service}: {error.orig}") from error
        except sa.exc.DatabaseError as error:
            if isinstance(error, sa.exc.IntegrityError):
                raise
            raise PermanentError("ledger_corrupt", f"ledger of {self.service}: {error.orig}") from error


def sqlite_url(path: Path) -> str:
    """The URL of a ledger in the file ``path``; its folder is made when missing."""
    make_folder(path.parent)
    return f"sqlite:///{path}"


def _engine(url: str) -> Engine:
    # Parameters stay out of error messages: they hold addresses of people, and errors travel into dead letters.
    pool = sa.StaticPool if url.startswith("sqlite") else None
    engine = sa.create_engine(url, poolclass=pool, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _make_durable)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _make_durable(database: Any, _record: object) -> None:
    database.isolation_level = (
        None  # we begin transactions ourselves: sqlite3's own begin misses some statements
    )
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000",
                   "trusted_schema = OFF"):  # fmt: skip
        database.execute(f"PRAGMA {pragma}")
    if database.execute("PRAGMA synchronous").fetchone()[0] < 2:  # noqa: PLR2004 - 2 is FULL
        raise PermanentError("ledger_not_durable", "SQLite refuses synchronous=FULL")


def _epoch(connection: Connection, service: str) -> int:
    known = connection.execute(
        sa.select(tables.IDENTITY.c.epoch).where(tables.IDENTITY.c.service == service)
    ).scalar_one_or_none()
    if known is not None:
        return int(known)
    epoch = time.time_ns() // 1_000_000
    connection.execute(tables.IDENTITY.insert().values(service=service, epoch=epoch))
    return epoch
