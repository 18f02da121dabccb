"""SQLite databases without write permission: on a read-only file system, or owned by another user.

SQLite can read a WAL database without writing in two cases: the ``-wal`` and ``-shm`` files exist, as they do while a
process has it open; or the connection is ``immutable``, which is safe while there is no ``-wal`` file.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from azaion_common.core.errors import AzaionError, SetupError, TransientError


def may_only_be_read(path: Path) -> bool:
    """Whether the file ``path`` is there and this process cannot write to it, or nothing beside it."""
    return path.is_file() and not (os.access(path.parent, os.W_OK) and os.access(path, os.W_OK))


def connect_reading(path: Path) -> sqlite3.Connection:
    """The database in the file ``path``, which ``may_only_be_read``; any thread may use the connection.

    Raises:
        SetupError: ``database_unreadable``, ``database_corrupt``.
    """
    is_open_elsewhere = path.with_name(f"{path.name}-wal").exists()
    uri = path.absolute().as_uri() + ("?mode=ro" if is_open_elsewhere else "?mode=ro&immutable=1")
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        for pragma in ("query_only = ON", "busy_timeout = 5000", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        raise SetupError(
            "database_unreadable",
            f"{path} can neither be written nor read as it is: {error}",
            hint="look at a copy of the home, or as its owner; what was killed leaves a log that has to be taken in",
        ) from error
    except sqlite3.DatabaseError as error:
        raise database_error(error, path) from error
    return connection


def database_error(error: sqlite3.Error, path: Path) -> AzaionError:
    """What an error of the database in the file ``path`` means."""
    # An InterfaceError was seen once, at a stop.
    if isinstance(error, (sqlite3.OperationalError, sqlite3.InterfaceError)):
        return TransientError("database_unavailable", f"{path} cannot be used now: {error}")
    return SetupError(
        "database_corrupt",
        f"{path} is not a sound database: {error}",
        hint="restore it from a backup: docs/operations.md",
    )
