"""Which key signed the announcement of a release; none did before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("releases", sa.Column("key_id", sa.String(16), nullable=True))
