"""Variants are called ``road+1``, which no picture can be; they were called ``road_1``, which was somebody's picture too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    name, picture = sa.column("name", sa.String), sa.column("picture", sa.String)
    number = sa.func.substr(name, sa.func.length(picture) + 2)
    variants = sa.table("augmented_variants", name, picture)
    op.execute(variants.update().where(name != picture).values(name=picture + "+" + number))
