"""A SQLite file that several processes read and write, with a bell that tells all of them of news.

Commits are durable (WAL with ``synchronous=FULL``). Writers of all processes take a lock file in turn, and only they
checkpoint: SQLite before 3.51.3 can corrupt a WAL when two connections write or checkpoint at the same instant.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from azaion_common.core.durable import (
    make_private_file,
    make_private_folder,
    open_lock,
    storage_error,
    write_problem,
)
from azaion_common.core.errors import AzaionError
from azaion_common.platform.database.doorbell import Doorbell
from azaion_common.platform.database.read_only import connect_reading, database_error, may_only_be_read

BUSY_TIMEOUT_S = 10.0
CHECKPOINT_BYTES = 4 << 20

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]


class SharedDatabase:
    """One connection, used by one thread of its own. Use ``async with SharedDatabase.open(path, schema)``."""

    def __init__(self, path: Path, connection: sqlite3.Connection, doorbell: Doorbell) -> None:
        self._path = path
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"sqlite-{path.stem}")
        self.doorbell = doorbell
        """Rung by whoever has written something that others wait for."""

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, schema: str) -> AsyncIterator[SharedDatabase]:
        """The database in the file ``path``, made when missing; one that cannot be written to can be read all the same.

        Raises:
            PermanentError: ``database_corrupt`` when the file is not a sound database, ``not_writable``,
                ``database_unreadable``.
            TransientError: ``database_unavailable``, ``disk_full``.
        """
        reading = await asyncio.to_thread(may_only_be_read, path)
        connection = await asyncio.to_thread(connect_reading if reading else partial(_connect, schema), path)
        async with Doorbell(
            path.with_suffix(".bell"), written=(path, _wal(path)), only_heard=reading
        ) as doorbell:
            database = cls(path, connection, doorbell)
            try:
                yield database
            finally:
                await asyncio.to_thread(database._thread.shutdown)
                connection.close()

    async def read(self, work: Work[Result]) -> Result:
        """Run ``work``, which only reads."""
        return await self._in_thread(lambda: work(self._connection))

    async def write(self, work: Work[Result]) -> Result:
        """Run ``work`` in one transaction: durable when this returns, or undone when it raises.

        Raises:
            PermanentError: ``not_writable``.
        """
        return await self._in_thread(lambda: self._transact(work))

    def _transact(self, work: Work[Result]) -> Result:
        with writers_locked_out(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(self._connection)
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.execute("COMMIT")
            self._checkpoint()
            return result

    def _checkpoint(self) -> None:
        """Fold a grown WAL back into the file, here, because nobody else may while we hold the lock."""
        wal = _wal(self._path)
        if wal.exists() and wal.stat().st_size > CHECKPOINT_BYTES:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        # Shielded: whoever waits may be cancelled, a transaction that has begun goes to its end.
        running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            return await asyncio.shield(running)
        except (sqlite3.DatabaseError, sqlite3.InterfaceError) as error:
            raise await asyncio.to_thread(_typed, error, self._path) from error


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _connect(schema: str, path: Path) -> sqlite3.Connection:
    make_private_folder(path.parent)
    try:
        with writers_locked_out(path):
            make_private_file(path)
            connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            for setting in (
                "journal_mode = WAL",
                "synchronous = FULL",
                "trusted_schema = OFF",
                "wal_autocheckpoint = 0",
            ):
                connection.execute(f"PRAGMA {setting}")
            connection.executescript(schema)
    except sqlite3.DatabaseError as error:
        raise _typed(error, path) from error
    return connection


def _typed(error: sqlite3.Error, path: Path) -> AzaionError:
    if isinstance(error, (sqlite3.OperationalError, sqlite3.InterfaceError)):
        if "full" in str(error):
            return storage_error(OSError(errno.ENOSPC, str(error)), path)
        # "unable to open database file", "disk I/O error": what a full disk or a read-only one says at the start
        if problem := write_problem(path):
            return problem
    return database_error(error, path)


@contextmanager
def writers_locked_out(path: Path) -> Iterator[None]:
    """Keep writers of all processes from the database at ``path`` while the block runs."""
    with open_lock(path.with_suffix(".lock")) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
