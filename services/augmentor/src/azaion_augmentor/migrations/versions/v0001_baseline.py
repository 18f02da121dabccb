"""The tables of this service, before revisions were counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "augmented_pictures",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column(
            "saved", sa.Text, nullable=False, comment="the image.saved event as JSON, to augment again"
        ),
        sa.Column("recipe_sha256", sa.String(64), nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "augmented_views_due",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "name", sa.String(220), nullable=False, comment="files in data-processed/ to bring up to date"
        ),
    )
    op.create_table(
        "augmented_variants",
        sa.Column(
            "name", sa.String(220), primary_key=True, comment="unique over all pictures: it names files"
        ),
        sa.Column(
            "picture", sa.String(200), sa.ForeignKey("augmented_pictures.name"), nullable=False, index=True
        ),
        sa.Column("image_sha256", sa.String(64), nullable=False),
        sa.Column("image_media_type", sa.String(100), nullable=False),
        sa.Column("labels_sha256", sa.String(64), nullable=False),
    )
