"""Dead letters: what a ledger has in quarantine, and what an operator decided about it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.ledger import tables

OPEN, REQUEUED, APPLIED = "open", "requeued", "applied"


def count_open(connection: Connection) -> int:
    """How many nobody has looked after."""
    query = sa.select(sa.func.count()).select_from(tables.QUARANTINE).where(tables.QUARANTINE.c.state == OPEN)
    return int(connection.execute(query).scalar_one())
