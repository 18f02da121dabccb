"""Which ledgers a PostgreSQL database holds."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.platform.database.engine import make_engine, typed
from azaion_common.platform.ledger import tables

_SCHEMAS = sa.text(
    "SELECT table_schema FROM information_schema.tables WHERE table_name = :table ORDER BY table_schema"
)


def names(url: str) -> list[str]:
    """Names of the services that have a ledger in the database at ``url``, sorted.

    Raises:
        TransientError: ``ledger_unavailable``.
        PermanentError: ``ledger_denied``, ``ledger_url_invalid``.
    """
    engine = make_engine(url, "none")
    try:
        with engine.connect() as connection:
            return _names(connection)
    except sa.exc.DBAPIError as error:
        raise typed(error, "any service") from error
    finally:
        engine.dispose()


def _names(connection: Connection) -> list[str]:
    schemas = connection.execute(_SCHEMAS, {"table": tables.IDENTITY.name}).scalars().all()
    found: set[str] = set()
    for schema in schemas:
        table = sa.table(tables.IDENTITY.name, sa.column("service"), schema=schema)
        found.update(connection.execute(sa.select(table.c.service)).scalars())
    return sorted(found)
