"""One owner per ledger: two would give out the same numbers and undo each other's cursors.

In PostgreSQL the lock belongs to the very connection that runs the transactions: whoever loses it can write no more.
"""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Callable
from typing import BinaryIO

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.core.durable import open_lock
from azaion_common.core.errors import PermanentError, SetupError
from azaion_common.platform.database.engine import file_of, schema_name

WAIT_S = {"sqlite": 1.0, "postgresql": 20.0}
"""A server may take some seconds to notice that the last owner is gone; the kernel frees files at once."""
_AGAIN_S = 0.1


def take(connection: Connection, ledger: str, wait_s: float | None) -> BinaryIO | None:
    """Become the owner of ``ledger``; what is returned has to be kept open as long.

    Raises:
        PermanentError: ``ledger_in_use``.
    """
    limit_s = WAIT_S[connection.dialect.name] if wait_s is None else wait_s
    if connection.dialect.name == "postgresql":
        _wait(limit_s, ledger, lambda: _take_in_server(connection, ledger))
        return None
    file = file_of(connection.engine)
    if file is None:
        return None
    lock = open_lock(file.with_suffix(".owner"))
    try:
        _wait(limit_s, ledger, lambda: _take_file(lock))
    except PermanentError:
        lock.close()
        raise
    return lock


def _wait(limit_s: float, ledger: str, attempt: Callable[[], bool]) -> None:
    until = time.monotonic() + limit_s
    while not attempt():
        if time.monotonic() >= until:
            raise SetupError(
                "ledger_in_use", f"the ledger of {ledger} has an owner", hint="the service runs already"
            )
        time.sleep(_AGAIN_S)


def is_owned_in_server(connection: Connection, ledger: str) -> bool:
    """Whether ``ledger`` has an owner in the PostgreSQL database of ``connection``; takes no lock to find out."""
    halves = _key(ledger) % 2**64
    found = connection.execute(_HOLDERS, {"high": halves >> 32, "low": halves % 2**32})
    return bool(found.scalar_one())


_HOLDERS = sa.text(
    "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    " AND classid::bigint = :high AND objid::bigint = :low"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def _key(ledger: str) -> int:
    name = f"azaion ledger {schema_name(ledger)}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)


def _take_in_server(connection: Connection, ledger: str) -> bool:
    with connection.begin():
        return bool(connection.execute(sa.select(sa.func.pg_try_advisory_lock(_key(ledger)))).scalar_one())


def _take_file(lock: BinaryIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
