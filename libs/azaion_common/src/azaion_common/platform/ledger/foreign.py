"""Records that carry no sequence of ours: offset and content tell which of them were handled before.

A record is a repetition when the same content was handled at the same offset (the stream is read again), or, where
nobody means the same twice, at any offset among the last hundred thousand (its writer was in doubt and sent it again). Other
content at a known offset is a new record: the broker lost the old one and gave its place away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgpack
import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.platform.ledger import tables
from azaion_common.platform.streams import Record

KEPT = 100_000


class Repetitions:
    """Of one batch in one transaction, by the digests of its records; ``flush`` before it ends."""

    def __init__(self, connection: Connection, stream: str, digests: Mapping[int, bytes]) -> None:
        self._connection = connection
        self._stream = stream
        self._digests = digests
        self._at = self._load(tables.FOREIGN.c.position.in_(list(digests)))
        known = self._load(tables.FOREIGN.c.sha256.in_(list(digests.values())))
        self._contents = set(known.values())
        self._fresh: dict[int, bytes] = {}

    def seen(self, offset: int, *, unique: bool) -> bool:
        """True when the record at ``offset`` was handled before; otherwise it is noted as handled."""
        sha256 = self._digests[offset]
        if self._at.get(offset) == sha256 or (unique and sha256 in self._contents):
            return True
        self._contents.add(sha256)
        self._fresh[offset] = sha256
        return False

    def flush(self) -> None:
        """Write what is new and forget what is old."""
        if not self._fresh:
            return
        table = tables.FOREIGN
        of_stream = table.c.stream == self._stream
        replaced = [offset for offset in self._fresh if offset in self._at]
        outdated = table.c.position.in_(replaced) | (table.c.position < max(self._fresh) - KEPT)
        self._connection.execute(table.delete().where(of_stream & outdated))
        rows = [
            {"stream": self._stream, "position": offset, "sha256": sha256}
            for offset, sha256 in self._fresh.items()
        ]
        self._connection.execute(table.insert(), rows)

    def _load(self, condition: sa.ColumnElement[bool]) -> dict[int, bytes]:
        if not self._digests:
            return {}
        table = tables.FOREIGN
        query = sa.select(table.c.position, table.c.sha256).where(table.c.stream == self._stream, condition)
        return {row.position: row.sha256 for row in self._connection.execute(query)}


def digest(record: Record) -> bytes:
    """Of content and properties: the same picture imported again on purpose has other properties."""
    properties = msgpack.packb(sorted((name, str(value)) for name, value in record.properties.items()))
    found = hashlib.sha256(properties)
    found.update(record.body)
    return found.digest()
