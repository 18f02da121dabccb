"""``EventLog`` as one SQLite file that several processes may read and write.

Commits are durable (WAL with ``synchronous=FULL``). Writers of all processes take a lock file in turn, and only
they checkpoint: SQLite before 3.51.3 can corrupt a WAL when two connections write or checkpoint at the same instant.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgpack

from azaion_common.errors import TransientError
from azaion_common.storage.durable import make_folder
from azaion_common.storage.sqlite_files import open_database, write_transaction
from azaion_common.streams import Message, PropertyValue, Record
from azaion_common.streams.doorbell import Doorbell

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    stream TEXT NOT NULL, offset INTEGER NOT NULL, properties BLOB NOT NULL, body BLOB NOT NULL,
    appended_at TEXT NOT NULL, PRIMARY KEY (stream, offset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS producers (
    stream TEXT NOT NULL, producer TEXT NOT NULL, last_seq INTEGER NOT NULL,
    PRIMARY KEY (stream, producer)) WITHOUT ROWID;
"""
MAX_BATCH_BYTES = 32 << 20

Result = TypeVar("Result")


class SqliteEventLog:
    """The embedded form. Use ``async with SqliteEventLog.open(path)``."""

    def __init__(self, path: Path, database: sqlite3.Connection, doorbell: Doorbell) -> None:
        self._path = path
        self._database = database
        self._doorbell = doorbell
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="event-log")

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[SqliteEventLog]:
        """The log in the file ``path``, made when missing."""
        await asyncio.to_thread(make_folder, path.parent)
        database = await asyncio.to_thread(open_database, path, _SCHEMA)
        async with Doorbell(path.with_suffix(".bell")) as doorbell:
            log = cls(path, database, doorbell)
            try:
                yield log
            finally:
                await asyncio.to_thread(log._thread.shutdown)
                database.close()

    async def append(self, stream: str, messages: Sequence[Message], *, producer: str | None = None) -> None:
        if not messages:
            return
        await self._in_thread(lambda: self._append(stream, messages, producer))
        await self._doorbell.ring()

    def _append(self, stream: str, messages: Sequence[Message], producer: str | None) -> None:
        with write_transaction(self._path, self._database) as database:
            last_seq = _last_seq(database, stream, producer) if producer else None
            fresh = [message for message in messages if _is_new(message, last_seq)]
            offset = _end(database, stream)
            now = datetime.now(UTC).isoformat()
            database.executemany(
                "INSERT INTO messages VALUES (?, ?, ?, ?, ?)",
                [
                    (stream, offset + index, msgpack.packb(dict(message.properties)), message.body, now)
                    for index, message in enumerate(fresh)
                ],
            )
            seqs = [message.seq for message in fresh if message.seq is not None]
            if producer and seqs:
                database.execute(
                    "INSERT INTO producers VALUES (?, ?, ?) "
                    "ON CONFLICT (stream, producer) DO UPDATE SET last_seq = excluded.last_seq",
                    (stream, producer, max(seqs)),
                )

    async def follow(
        self, stream: str, offset: int = 0, *, max_batch: int = 100
    ) -> AsyncIterator[list[Record]]:
        while True:
            seen = self._doorbell.count
            batch = await self.read(stream, offset, limit=max_batch)
            if batch:
                offset = batch[-1].offset + 1
                yield batch
            else:
                await self._doorbell.wait(seen)

    async def read(self, stream: str, offset: int = 0, *, limit: int = 100) -> list[Record]:
        return await self._in_thread(lambda: self._read(stream, offset, limit))

    def _read(self, stream: str, offset: int, limit: int) -> list[Record]:
        """Bounded by bytes too, so that a backlog of large messages does not fill the memory."""
        records: list[Record] = []
        size = 0
        rows = self._database.execute(
            "SELECT offset, body, properties, appended_at FROM messages "
            "WHERE stream = ? AND offset >= ? ORDER BY offset LIMIT ?",
            (stream, offset, limit),
        )
        for at, body, properties, appended_at in rows:
            records.append(Record(stream, at, body, _unpack(properties), datetime.fromisoformat(appended_at)))
            size += len(body)
            if size >= MAX_BATCH_BYTES:
                break
        rows.close()
        return records

    async def end(self, stream: str) -> int:
        return await self._in_thread(lambda: _end(self._database, stream))

    async def count(self, stream: str, before: int | None = None) -> int:
        query = "SELECT count(*) FROM messages WHERE stream = ? AND (? IS NULL OR offset < ?)"
        row = await self._in_thread(
            lambda: self._database.execute(query, (stream, before, before)).fetchone()
        )
        return int(row[0])

    async def last_seq(self, stream: str, producer: str) -> int | None:
        return await self._in_thread(lambda: _last_seq(self._database, stream, producer))

    async def streams(self) -> list[str]:
        query = "SELECT DISTINCT stream FROM messages ORDER BY stream"
        return [row[0] for row in await self._in_thread(lambda: self._database.execute(query).fetchall())]

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.OperationalError as error:
            raise _unavailable(error) from error


def _is_new(message: Message, last_seq: int | None) -> bool:
    return message.seq is None or last_seq is None or message.seq > last_seq


def _end(database: sqlite3.Connection, stream: str) -> int:
    row = database.execute("SELECT max(offset) FROM messages WHERE stream = ?", (stream,)).fetchone()
    return 0 if row[0] is None else int(row[0]) + 1


def _last_seq(database: sqlite3.Connection, stream: str, producer: str) -> int | None:
    row = database.execute(
        "SELECT last_seq FROM producers WHERE stream = ? AND producer = ?", (stream, producer)
    ).fetchone()
    return None if row is None else int(row[0])


def _unpack(properties: bytes) -> Mapping[str, PropertyValue]:
    unpacked: Mapping[str, PropertyValue] = msgpack.unpackb(properties)
    return unpacked


def _unavailable(error: sqlite3.OperationalError) -> TransientError:
    if "full" in str(error):
        return TransientError("disk_full", f"no space left for the event log: {error}")
    return TransientError("log_unavailable", f"the event log cannot be used now: {error}")
