"""The tables of this service, before revisions were counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "pictures",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("state", sa.String(20), nullable=False, index=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("image_sha256", sa.String(64), nullable=False),
        sa.Column("image_size_bytes", sa.BigInteger, nullable=False),
        sa.Column("media_type", sa.String(100), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("dhash", sa.String(16), nullable=False),
        sa.Column("boxes", sa.Text, nullable=False, comment="JSON list of boxes as events carry them"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("media_name", sa.String(500), nullable=False),
        sa.Column("media_time_s", sa.Float),
        sa.Column("role", sa.BigInteger, nullable=False),
        sa.Column("source", sa.BigInteger, nullable=False),
        sa.Column("email", sa.String(500), nullable=False, comment="stays here: in no event, no log"),
    )
    op.create_table(
        "refused",
        sa.Column("stream", sa.String(200), primary_key=True),
        sa.Column("offset", sa.BigInteger, primary_key=True),
        sa.Column(
            "view_name",
            sa.String(200),
            index=True,
            comment="its name in data-corrupted/; null: nothing to see",
        ),
        sa.Column("raw_sha256", sa.String(64), nullable=False),
    )
    op.create_table(
        "views_due",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("view", sa.String(20), nullable=False, comment="folder"),
        sa.Column("name", sa.String(200), nullable=False, comment="pair of files in it to bring up to date"),
        sqlite_autoincrement=True,
    )
