"""What the augmentor remembers: which revision of which picture was multiplied, how, and into what."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData(info={"migrations": "azaion_augmentor.migrations"})

PICTURES = sa.Table(
    "augmented_pictures",
    METADATA,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("saved", sa.Text, nullable=False, comment="the image.saved event as JSON, to augment again"),
    sa.Column("recipe_sha256", sa.String(64), nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
)

VARIANTS = sa.Table(
    "augmented_variants",
    METADATA,
    sa.Column("name", sa.String(220), primary_key=True, comment="unique over all pictures: it names files"),
    sa.Column("picture", sa.ForeignKey("augmented_pictures.name"), nullable=False, index=True),
    sa.Column("image_sha256", sa.String(64), nullable=False),
    sa.Column("image_media_type", sa.String(100), nullable=False),
    sa.Column("labels_sha256", sa.String(64), nullable=False),
)

VIEWS_DUE = sa.Table(
    "augmented_views_due",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(220), nullable=False, comment="files in data-processed/ to bring up to date"),
)
