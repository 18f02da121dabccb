"""How a ledger's database is reached: SQLite in a file, or a schema of its own in PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from azaion_common.core.durable import (
    make_private_file,
    make_private_folder,
    trace_of_writing,
    write_problem,
)
from azaion_common.core.errors import AzaionError, PermanentError, SetupError, TransientError
from azaion_common.platform.database.read_only import connect_reading, may_only_be_read

_POSTGRES_SESSION = {
    "synchronous_commit": "on",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "TimeZone": "UTC",
}
"""So that the server notices within 15 s that an owner has vanished, and hands the ledger to the next one. Times come in
UTC: in another zone the calendar's last hours would lie beyond its end, and could be written but never read."""
_POSTGRES_CONNECTION: Mapping[str, Any] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_DENIED = ("28", "3D")
_NO_SPACE = "53100"
_OTHER_TABLES = ("42P01", "42703", "3F000")
_FULL = 2
_IN_MEMORY = ":memory:"


def sqlite_url(path: Path) -> str:
    """The URL of a ledger in the file ``path``, whatever characters that has; its folder is made when missing."""
    make_private_folder(path.parent)
    return sa.URL.create("sqlite", database=str(path)).render_as_string()


def schema_name(ledger: str) -> str:
    """The PostgreSQL schema of a ledger: ``augmentor.2`` is in ``augmentor_2``."""
    return re.sub(r"[^a-z0-9_]", "_", ledger.lower())


def make_engine(url: str, ledger: str) -> Engine:
    """An engine for one connection; a file that cannot be written to can be read all the same.

    Raises:
        PermanentError: ``ledger_url_invalid``; the URL itself is not shown, it may hold a password.
    """
    # Parameters stay out of error messages: they hold addresses of people, and errors travel into dead letters.
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        file = Path(parsed.database or _IN_MEMORY)
        if may_only_be_read(file):
            engine = sa.create_engine(
                parsed, poolclass=sa.StaticPool, hide_parameters=True, creator=lambda: connect_reading(file)
            )
            sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
            return engine
        engine = sa.create_engine(parsed, poolclass=sa.StaticPool, hide_parameters=True)
        sa.event.listen(engine, "do_connect", _make_file)
        sa.event.listen(engine, "connect", _make_durable)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine
    return sa.create_engine(
        parsed, poolclass=sa.NullPool, hide_parameters=True, connect_args=_postgres_connection(ledger)
    )


def make_reading_engine(url: str, ledger: str, connections: int) -> Engine:
    """An engine for so many connections that only read, at the same time and beside the owner's.

    Raises:
        PermanentError: ``ledger_url_invalid``.
    """
    parsed = _parsed(url)
    pool = {"pool_size": connections, "max_overflow": 0, "hide_parameters": True}
    if parsed.get_backend_name() == "sqlite":
        engine = sa.create_engine(parsed, poolclass=sa.QueuePool, **pool)
        sa.event.listen(engine, "connect", _make_reading)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        return engine
    session = {"default_transaction_read_only": "on", "default_transaction_isolation": "repeatable\\ read"}
    connection = _postgres_connection(ledger, session)
    return sa.create_engine(parsed, pool_pre_ping=True, connect_args=connection, **pool)


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise _url_invalid() from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise _url_invalid()
    return parsed


def _postgres_connection(ledger: str, more: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    session = {**_POSTGRES_SESSION, "search_path": schema_name(ledger), **more}
    options = " ".join(f"-c {name}={value}" for name, value in session.items())
    return {**_POSTGRES_CONNECTION, "options": options}


def _url_invalid() -> PermanentError:
    return PermanentError(
        "ledger_url_invalid",
        "the address of the ledgers is not valid",
        hint="ledger_url: postgresql+psycopg://user:password@host/database",
    )


def prepare(connection: Connection, ledger: str) -> None:
    """What has to be there before tables are.

    Raises:
        PermanentError: ``ledger_not_durable``.
    """
    if connection.dialect.name != "postgresql":
        return
    connection.execute(sa.schema.CreateSchema(schema_name(ledger), if_not_exists=True))
    if connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "off":
        raise SetupError("ledger_not_durable", "PostgreSQL refuses synchronous_commit=on")


def _make_file(_dialect: object, _record: object, arguments: tuple[Any, ...], _options: object) -> None:
    if arguments[0] != _IN_MEMORY:
        make_private_file(Path(arguments[0]))


def file_of(engine: Engine) -> Path | None:
    """The file that a ledger lies in; None for one in PostgreSQL, or in memory."""
    name = engine.url.database
    is_file = engine.dialect.name == "sqlite" and name not in (None, "", _IN_MEMORY)
    return Path(str(name)) if is_file else None


def trace_of(file: Path) -> tuple[tuple[int, int], ...]:
    """Of the last writing to a ledger's file and its log."""
    return tuple(trace_of_writing(path) for path in (file, file.with_name(f"{file.name}-wal")))


def _make_durable(database: Any, _record: object) -> None:
    database.isolation_level = (
        None  # we begin transactions ourselves: sqlite3's own begin misses some statements
    )
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000",
                   "trusted_schema = OFF"):  # fmt: skip
        database.execute(f"PRAGMA {pragma}")
    if database.execute("PRAGMA synchronous").fetchone()[0] < _FULL:
        raise SetupError("ledger_not_durable", "SQLite refuses synchronous=FULL")


def _make_reading(database: Any, _record: object) -> None:
    database.isolation_level = None  # as above
    for pragma in ("query_only = ON", "busy_timeout = 5000", "trusted_schema = OFF"):
        database.execute(f"PRAGMA {pragma}")


def typed(error: sa.exc.DBAPIError, ledger: str, file: Path | None = None) -> AzaionError:
    """What a database says, as our own error. IntegrityError is a bug of the caller and does not come here.

    ``file``: where the ledger lies, if it does so in a file. Blocks while it looks for room there.
    """
    state = str(getattr(error.orig, "sqlstate", None) or "")
    message = f"ledger of {ledger}: {_first_line(error.orig)}"
    if state.startswith(_DENIED):
        return SetupError("ledger_denied", message, hint="check user, password and database in ledger_url")
    if state in _OTHER_TABLES or any(part in message for part in ("no such table", "no such column")):
        return SetupError(
            "ledger_outdated", message, hint="start the service once: it brings its ledger up to date"
        )
    if state == _NO_SPACE or "disk is full" in message:
        return TransientError("disk_full", message, hint="free space; work goes on by itself")
    if is_outage(error):
        if "password authentication failed" in message or "does not exist" in message:
            return SetupError(
                "ledger_denied", message, hint="check user, password and database in ledger_url"
            )
        # "unable to open database file", "disk I/O error": what a full disk or a read-only one says at the start
        problem = write_problem(file) if file is not None else None
        return problem or TransientError("ledger_unavailable", message)
    return SetupError("ledger_corrupt", message)


def is_outage(error: Exception) -> bool:
    """Whether it is the database that failed, and not what was asked of it."""
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    return isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)) or error.connection_invalidated


def _first_line(error: BaseException | None) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
