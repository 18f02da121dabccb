"""The tables of every ledger, before revisions were counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "inbox_cursor",
        sa.Column("stream", sa.String(200), primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("applied", sa.BigInteger, nullable=False),
        sa.Column("passed_over", sa.BigInteger, nullable=False),
        sa.Column("quarantined", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "inbox_in_flight",
        sa.Column("stream", sa.String(200), primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
    )
    op.create_table(
        "inbox_quarantine",
        sa.Column("stream", sa.String(200), primary_key=True),
        sa.Column("offset", sa.BigInteger, primary_key=True),
        sa.Column("reason", sa.String(100), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("raw_sha256", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "inbox_seen",
        sa.Column("stream", sa.String(200), primary_key=True),
        sa.Column("producer", sa.String(200), primary_key=True),
        sa.Column("epoch", sa.BigInteger, primary_key=True),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "jobs_done",
        sa.Column("queue", sa.String(200), primary_key=True),
        sa.Column("job_id", sa.String(200), primary_key=True),
        sa.Column("outcome", sa.String(100), nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "ledger_identity",
        sa.Column("service", sa.String(100), primary_key=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
        ),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("destination", sa.String(200), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("sent", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_unsent", "outbox", ["sent", "id"])
    op.create_table(
        "outbox_sequence",
        sa.Column("stream", sa.String(200), primary_key=True),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
    )
