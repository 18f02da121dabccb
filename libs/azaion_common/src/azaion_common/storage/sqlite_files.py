"""SQLite files that several processes write: opened durably, written under a lock of our own."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azaion_common.errors import PermanentError, TransientError

BUSY_TIMEOUT_S = 10.0
CHECKPOINT_PAGES = 1000


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """A connection to ``path`` with ``schema`` in place, for use by one thread at a time.

    Raises:
        PermanentError: ``database_corrupt`` when the file is not a sound database.
        TransientError: ``database_unavailable``.
    """
    try:
        with _locked(path):
            database = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA wal_autocheckpoint = 0")
            database.executescript(schema)
    except sqlite3.OperationalError as error:
        raise TransientError("database_unavailable", f"cannot open {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise PermanentError("database_corrupt", f"{path} is not a sound database: {error}") from error
    return database


@contextmanager
def write_transaction(path: Path, database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One transaction, committed at the end; no other process writes or checkpoints meanwhile."""
    with _locked(path):
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
        except BaseException:
            database.rollback()
            raise
        database.execute("COMMIT")
        _checkpoint(path, database)


def _checkpoint(path: Path, database: sqlite3.Connection) -> None:
    """Fold a grown WAL back into the file, here, because nobody else may while we hold the lock."""
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size > CHECKPOINT_PAGES * 4096:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
