"""The trace that a job goes on with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "job_traces",
        sa.Column("queue", sa.String(200), primary_key=True),
        sa.Column("job_id", sa.String(200), primary_key=True),
        sa.Column("traceparent", sa.String(100), nullable=False),
    )
