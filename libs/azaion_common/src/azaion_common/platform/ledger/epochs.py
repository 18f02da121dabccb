"""The epoch of a ledger: which line of sequence numbers it gives out.

A ledger that was restored from a backup would give out numbers a second time, and logs drop what they think they
have. So it begins a new line: everything that it still owes is numbered again, under a new epoch.
"""

from __future__ import annotations

import time
from collections import Counter
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.contracts.events.codec import renumbered
from azaion_common.contracts.events.envelope import event_id
from azaion_common.platform.ledger import tables


def current(connection: Connection, service: str) -> int:
    """The epoch; a new ledger gets one that no ledger of this service had before."""
    known = connection.execute(
        sa.select(tables.IDENTITY.c.epoch).where(tables.IDENTITY.c.service == service)
    ).scalar_one_or_none()
    if known is not None:
        return int(known)
    epoch = _now()
    connection.execute(tables.IDENTITY.insert().values(service=service, epoch=epoch))
    return epoch


def instance(connection: Connection, service: str) -> str:
    """The name that this ledger has and no other; call it behind ``current``."""
    mine = tables.IDENTITY.c.service == service
    known = connection.execute(sa.select(tables.IDENTITY.c.instance).where(mine)).scalar_one()
    if known is not None:
        return str(known)
    name = uuid4().hex
    connection.execute(tables.IDENTITY.update().where(mine).values(instance=name))
    return name


def renew(connection: Connection, service: str) -> int:
    """Begin a new epoch; unsent events keep their order and are numbered from 1. Returns the epoch.

    An old copy has the name of its original, which may be at work elsewhere: it gets a new one at its next opening.
    """
    epoch = max(_now(), current(connection, service) + 1)
    connection.execute(
        tables.IDENTITY.update()
        .where(tables.IDENTITY.c.service == service)
        .values(epoch=epoch, instance=None)
    )
    table, numbers = tables.OUTBOX, Counter[str]()
    connection.execute(table.delete().where((table.c.kind == "event") & table.c.sent))
    for row in connection.execute(sa.select(table).where(table.c.kind == "event").order_by(table.c.id)).all():
        numbers[row.destination] += 1
        seq = numbers[row.destination]
        identity: UUID = event_id(service, epoch, row.destination, seq)
        body = renumbered(row.body, epoch=epoch, seq=seq, identity=identity)
        connection.execute(table.update().where(table.c.id == row.id).values(seq=seq, body=body))
    for row in connection.execute(sa.select(tables.SEQUENCES)).all():
        connection.execute(
            tables.SEQUENCES.update()
            .where(tables.SEQUENCES.c.stream == row.stream)
            .values(last_seq=numbers[row.stream])
        )
    return epoch


def _now() -> int:
    return time.time_ns() // 1_000_000
