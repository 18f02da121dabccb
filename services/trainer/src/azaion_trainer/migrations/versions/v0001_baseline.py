"""The tables of this service, before revisions were counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "champion",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True),
        sa.Column("model", sa.JSON, nullable=False, comment="the model.trained event"),
    )
    op.create_table(
        "datasets",
        sa.Column("dataset_id", sa.String, primary_key=True),
        sa.Column("event", sa.JSON, nullable=False, comment="the dataset.formed event"),
    )
    op.create_table(
        "epochs",
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True),
        sa.Column("point", sa.JSON, nullable=False),
    )
    op.create_table(
        "pictures",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("validated", sa.Boolean, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("dhash", sa.String, nullable=False),
        sa.Column("media_name", sa.String, nullable=False),
        sa.Column("media_time_s", sa.Float),
        sa.Column("objects", sa.JSON, nullable=False, comment="boxes by slot"),
        sa.Column("changed_at", sa.Float, nullable=False, comment="Unix time"),
        sa.Column("used_revision", sa.Integer, comment="the revision that the last dataset has"),
    )
    op.create_table(
        "placed",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("dhash", sa.String, nullable=False),
        sa.Column("media_name", sa.String, nullable=False),
        sa.Column("media_time_s", sa.Float),
        sa.Column("side", sa.String, nullable=False),
        sa.Column("founder", sa.String, nullable=False),
        comment="every content of a picture that was ever given a side; rows are never changed or removed",
    )
    op.create_table(
        "positions",
        sa.Column("stream", sa.String, primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "requests",
        sa.Column("job_id", sa.String, primary_key=True),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("job_id", sa.String, nullable=False),
        sa.Column("dataset_id", sa.String, nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("state", sa.String, nullable=False, comment="running, trained, rejected or failed"),
        sa.Column("model_id", sa.String),
    )
    op.create_table(
        "split_policy",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True),
        sa.Column("split_key", sa.String, nullable=False),
        sa.Column("gap_s", sa.Float, nullable=False),
        sa.Column("hash_distance", sa.Integer, nullable=False),
    )
    op.create_table(
        "variants",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("source_sha256", sa.String, nullable=False),
        sa.Column("files", sa.JSON, nullable=False),
    )
