"""The tables of this service, before revisions were counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "packages",
        sa.Column("job_id", sa.String(200), primary_key=True),
        sa.Column("package_id", sa.String(32), nullable=False),
        sa.Column("package_sha256", sa.String(64), nullable=False),
        sa.Column("package_size_bytes", sa.BigInteger, nullable=False),
        sa.Column("plaintext_sha256", sa.String(64), nullable=False),
        sa.Column("header_sha256", sa.String(64), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
        sa.Column("small_sha256", sa.String(64), nullable=False),
        sa.Column("small_size_bytes", sa.Integer, nullable=False),
        sa.Column("big_sha256", sa.String(64), nullable=False),
        sa.Column("big_size_bytes", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "releases",
        sa.Column("release", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("model_id", sa.String(16), nullable=False),
        sa.Column("target", sa.String(40), nullable=False),
        sa.Column("package_id", sa.String(32), nullable=False, unique=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
