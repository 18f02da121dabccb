"""What the ingestor remembers: every picture, what it had to refuse, and which files people see are out of date."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Float, Integer, MetaData, String, Table, Text

METADATA = MetaData(info={"migrations": "azaion_ingestor.migrations"})

PICTURES = Table(
    "pictures", METADATA,
    Column("name", String(200), primary_key=True),
    Column("state", String(20), nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    Column("image_sha256", String(64), nullable=False),
    Column("image_size_bytes", BigInteger, nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("dhash", String(16), nullable=False),
    Column("boxes", Text, nullable=False, comment="JSON list of boxes as events carry them"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("media_name", String(500), nullable=False),
    Column("media_time_s", Float),
    Column("role", BigInteger, nullable=False),
    Column("source", BigInteger, nullable=False),
    Column("email", String(500), nullable=False, comment="stays here: in no event, no log"),
)  # fmt: skip

REFUSED = Table(
    "refused", METADATA,
    Column("stream", String(200), primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("view_name", String(200), index=True, comment="its name in data-corrupted/; null: nothing to see"),
    Column("raw_sha256", String(64), nullable=False),
)  # fmt: skip

VIEWS_DUE = Table(
    "views_due", METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("view", String(20), nullable=False, comment="folder"),
    Column("name", String(200), nullable=False, comment="pair of files in it to bring up to date"),
    sqlite_autoincrement=True,
)  # fmt: skip
