"""A name that no other ledger has, the ledger of another home that serves the same service among them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("ledger_identity", sa.Column("instance", sa.String(32)))
