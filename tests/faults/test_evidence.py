"""Whoever judges a loop by its files is not misled by a home that is only being made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from looptest.evidence import Evidence


def test_a_ledger_without_tables_is_not_settled(tmp_path: Path) -> None:
    """A service that was killed while it made its ledger has yet to begin; with tables and nothing owed it is done."""
    evidence = Evidence(tmp_path)
    evidence.ledger("ingestor").parent.mkdir()
    with closing(sqlite3.connect(evidence.ledger("ingestor"))) as database:
        database.execute("CREATE TABLE other (id INTEGER)")
        assert not evidence.settled()

        database.execute("CREATE TABLE outbox (sent BOOLEAN)")
        assert evidence.settled()

        database.execute("INSERT INTO outbox VALUES (FALSE)")
        database.commit()
        assert not evidence.settled()
