"""What tables hold, in a few bytes: equal for equal rows, in whatever order and database they lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Connection, Table


@dataclass(frozen=True, slots=True)
class TableDigest:
    """``sha256`` is of the sorted digests of the rows."""

    rows: int
    sha256: str


def table_digest(connection: Connection, table: Table, ignored: Collection[Column[Any]] = ()) -> TableDigest:
    """Of all rows of ``table``, without the columns that are ``ignored``."""
    columns = [column for column in table.columns if column not in set(ignored)]
    return digest_of_rows(map(tuple, connection.execute(sa.select(*columns))))


def digest_of_rows(rows: Iterable[tuple[Any, ...]]) -> TableDigest:
    """Of ``rows``, whose order does not matter."""
    digests = sorted(hashlib.sha256(_canonical(row)).digest() for row in rows)
    return TableDigest(len(digests), hashlib.sha256(b"".join(digests)).hexdigest())


def _canonical(row: tuple[Any, ...]) -> bytes:
    return json.dumps(row, sort_keys=True, separators=(",", ":"), default=_plain).encode()


def _plain(value: Any) -> str:
    if isinstance(value, datetime):  # SQLite keeps no time zone; what went in was UTC
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    return str(value)
