"""``EventLog`` as one SQLite file that several processes may read and write."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

import msgpack

from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.database.shared_database import SharedDatabase
from azaion_common.platform.streams import Message, PropertyValue, Record

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    stream TEXT NOT NULL, offset INTEGER NOT NULL, properties BLOB NOT NULL, body BLOB NOT NULL,
    appended_at TEXT NOT NULL, PRIMARY KEY (stream, offset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS producers (
    stream TEXT NOT NULL, producer TEXT NOT NULL, last_seq INTEGER NOT NULL,
    PRIMARY KEY (stream, producer)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS acknowledgements (
    stream TEXT NOT NULL, producer TEXT NOT NULL, reader TEXT NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (stream, producer, reader)) WITHOUT ROWID;
"""
_ACKNOWLEDGE = (
    "INSERT INTO acknowledgements VALUES (?, ?, ?, ?) "
    "ON CONFLICT (stream, producer, reader) DO UPDATE SET seq = max(seq, excluded.seq)"
)
MAX_BATCH_BYTES = 24 << 20
"""As large as one message may be."""


class SqliteEventLog:
    """The embedded form. Use ``async with SqliteEventLog.open(path)``."""

    def __init__(self, database: SharedDatabase) -> None:
        self._database = database

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[SqliteEventLog]:
        """The log in the file ``path``, made when missing. Raises as ``SharedDatabase.open``."""
        async with SharedDatabase.open(path, _SCHEMA) as database:
            yield cls(database)

    async def append(self, stream: str, messages: Sequence[Message], *, producer: str | None = None) -> None:
        if not messages:
            return
        if producer is not None:
            _refuse_disorder(producer, messages)
        await self._database.write(lambda database: _append(database, stream, messages, producer))
        await self._database.doorbell.ring()

    async def follow(
        self, stream: str, offset: int = 0, *, max_batch: int = 100, after: bytes | None = None
    ) -> AsyncIterator[list[Record]]:
        await self._check_place(stream, offset, after)
        while True:
            seen = self._database.doorbell.count
            batch = await self.read(stream, offset, limit=max_batch)
            if batch:
                offset = batch[-1].offset + 1
                yield batch
            else:
                await self._database.doorbell.wait(seen)

    async def _check_place(self, stream: str, offset: int, after: bytes | None) -> None:
        end = await self.end(stream)
        if offset > end:
            raise _regressed(stream, f"it ends at offset {end}, and {offset} was to be read next")
        if offset == 0:
            return
        first = await self.first(stream)
        if offset < first:
            raise PermanentError(
                "log_truncated", f"{stream} begins at offset {first} now, and {offset} was to be read next"
            )
        before = await self.read(stream, offset - 1, limit=1)
        if after is not None and before and hashlib.sha256(before[0].body).digest() != after:
            raise _regressed(stream, f"another message is at offset {offset - 1}")

    async def read(self, stream: str, offset: int = 0, *, limit: int = 100) -> list[Record]:
        return await self._database.read(lambda database: _read(database, stream, offset, limit))

    async def end(self, stream: str) -> int:
        return await self._database.read(lambda database: _end(database, stream))

    async def count(self, stream: str, before: int | None = None) -> int:
        query = "SELECT count(*) FROM messages WHERE stream = ? AND (? IS NULL OR offset < ?)"
        values = (stream, before, before)
        row = await self._database.read(lambda database: database.execute(query, values).fetchone())
        return int(row[0])

    async def last_seq(self, stream: str, producer: str) -> int | None:
        return await self._database.read(lambda database: _last_seq(database, stream, producer))

    async def first(self, stream: str) -> int:
        query = "SELECT min(offset) FROM messages WHERE stream = ?"
        row = await self._database.read(lambda database: database.execute(query, (stream,)).fetchone())
        return int(row[0] or 0)

    async def turns(self, stream: str, *, group: str) -> AsyncIterator[asyncio.Event]:
        """One process works on a file's streams, so its one turn does not end."""
        ending = asyncio.Event()
        yield ending
        await ending.wait()

    async def acknowledge(self, stream: str, reader: str, positions: Mapping[str, int]) -> None:
        rows = [(stream, producer, reader, seq) for producer, seq in positions.items()]
        await self._database.write(lambda database: database.executemany(_ACKNOWLEDGE, rows))

    async def acknowledged(self, stream: str, producer: str) -> Mapping[str, int]:
        query = "SELECT reader, seq FROM acknowledgements WHERE stream = ? AND producer = ?"
        values = (stream, producer)
        rows = await self._database.read(lambda database: database.execute(query, values).fetchall())
        return dict(rows)


def _append(
    database: sqlite3.Connection, stream: str, messages: Sequence[Message], producer: str | None
) -> None:
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


def _read(database: sqlite3.Connection, stream: str, offset: int, limit: int) -> list[Record]:
    """At least one where there is one; bounded by bytes too, so that a backlog of large messages does not fill the
    memory.
    """
    sizes = database.execute(
        "SELECT length(body) FROM messages WHERE stream = ? AND offset >= ? ORDER BY offset LIMIT ?",
        (stream, offset, limit),
    )
    sums = accumulate(size for (size,) in sizes.fetchall())
    wanted = min(limit, max(1, sum(size <= MAX_BATCH_BYTES for size in sums)))
    rows = database.execute(
        "SELECT offset, body, properties, appended_at FROM messages "
        "WHERE stream = ? AND offset >= ? ORDER BY offset LIMIT ?",
        (stream, offset, wanted),
    )
    return [
        Record(stream, at, body, _unpack(properties), datetime.fromisoformat(appended_at))
        for at, body, properties, appended_at in rows
    ]


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


def _refuse_disorder(producer: str, messages: Sequence[Message]) -> None:
    numbers = [message.seq or 0 for message in messages]
    if 0 in numbers or sorted(set(numbers)) != numbers:
        raise PermanentError("sequence_disordered", f"{producer} must number its messages upwards from 1")


def _regressed(stream: str, why: str) -> TransientError:
    return TransientError("log_regressed", f"{stream} is not the log that was read before: {why}")


def _unpack(properties: bytes) -> Mapping[str, PropertyValue]:
    unpacked: Mapping[str, PropertyValue] = msgpack.unpackb(properties)
    return unpacked
