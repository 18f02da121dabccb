"""Logs that regress, that drop old records, and that others write: what a ledger has to remember about them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "inbox_cursor", sa.Column("before_rewind", sa.BigInteger, nullable=False, server_default="0")
    )
    op.add_column("inbox_cursor", sa.Column("last_sha256", sa.LargeBinary(32)))
    op.add_column("inbox_cursor", sa.Column("halted", sa.Text))
    op.add_column(
        "inbox_quarantine", sa.Column("state", sa.String(20), nullable=False, server_default="open")
    )
    op.add_column("inbox_quarantine", sa.Column("requeued_at", sa.DateTime(timezone=True)))
    op.add_column("outbox", sa.Column("created_at", sa.DateTime(timezone=True)))
    op.create_table(
        "inbox_foreign",
        sa.Column("stream", sa.String(200), primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
    )
    op.create_index("inbox_foreign_sha256", "inbox_foreign", ["stream", "sha256"])
