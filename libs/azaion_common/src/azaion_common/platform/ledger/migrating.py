"""Brings a ledger's tables to the newest form, by Alembic, inside the caller's transaction.

There are two lines of revisions: that of the tables which every ledger has, and that of the service's own. A service
names the package of its revisions in its ``MetaData(info={"migrations": "azaion_ingestor.migrations"})``; without one
(in tests) its tables are just made.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from azaion_common.core.errors import PermanentError, SetupError
from azaion_common.platform.ledger import tables

COMMON = "azaion_common.platform.ledger.migrations"
BASELINE = "0001"
"""Ledgers of the time before revisions were counted have the tables of this one."""
_ONE_AT_A_TIME = Lock()
"""Revisions write through ``alembic.op``, which is one for the whole process; every ledger has its thread."""


def migrate(connection: Connection, metadata: MetaData) -> None:
    """All tables as this version needs them; nothing happened when it raises.

    Raises:
        PermanentError: ``ledger_too_new``: a later version of the program has worked on this ledger.
    """
    package = metadata.info.get("migrations")
    with _ONE_AT_A_TIME:
        _upgrade(connection, COMMON, "ledger_version", tables.METADATA)
        if package is None:
            metadata.create_all(connection)
        else:
            _upgrade(connection, package, "service_version", metadata)


def _upgrade(connection: Connection, package: str, version_table: str, metadata: MetaData) -> None:
    script = ScriptDirectory(str(_folder(package)))
    context = MigrationContext.configure(connection, opts={"version_table": version_table})
    current = context.get_current_revision()
    if current is None and _has_tables(connection, metadata):
        current = BASELINE
    head = script.get_current_head()
    if current == head and context.get_current_revision() == head:
        return
    if current is not None and current not in {each.revision for each in script.walk_revisions()}:
        raise SetupError(
            "ledger_too_new",
            f"this ledger has tables of revision {current}, this version knows up to {head}",
            hint="use the newer version, or restore a backup from before it",
        )
    with Operations.context(context):
        for revision in reversed(list(script.iterate_revisions("head", current or "base"))):
            if revision.revision != current:
                revision.module.upgrade()
    context.stamp(script, "head")


def _has_tables(connection: Connection, metadata: MetaData) -> bool:
    found = set(sa.inspect(connection).get_table_names())
    return any(table.name in found for table in metadata.sorted_tables)


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise PermanentError("migrations_missing", f"{package} is not installed completely")
    return Path(spec.origin).parent
