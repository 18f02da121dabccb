"""Whether anybody runs a service: on this home, or, where ledgers are on a server, anywhere."""

from __future__ import annotations

import fcntl
from pathlib import Path

import sqlalchemy as sa

from azaion_common.platform.database import ownership
from azaion_common.platform.database.engine import make_engine, typed
from azaion_common.platform.runtime.settings import PlatformSettings


def is_running(home: Path, settings: PlatformSettings, service: str) -> bool:
    """Whether a process runs ``service``, one that is only starting among them. Blocks while it asks a server.

    Raises:
        TransientError: ``ledger_unavailable``.
        PermanentError: ``ledger_denied``, ``ledger_url_invalid``.
    """
    if settings.ledger_url is None:
        return holds_lock(home / "run" / f"{service}.lock")
    engine = make_engine(settings.ledger_url.get_secret_value(), service)
    try:
        with engine.connect() as connection:
            return ownership.is_owned_in_server(connection, service)
    except sa.exc.DBAPIError as error:
        raise typed(error, service) from error
    finally:
        engine.dispose()


def anything_runs(home: Path) -> bool:
    """Whether a process runs any service on this very home."""
    return any(holds_lock(path) for path in (home / "run").glob("*.lock"))


def holds_lock(path: Path) -> bool:
    """Whether somebody holds the lock file. Looking takes a shared lock for an instant: who locks tries more than once."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
