"""The API's own tables, in its ledger."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, MetaData, String, Table

METADATA = MetaData(info={"migrations": "azaion_api.migrations"})

USERS = Table(
    "users",
    METADATA,
    Column("email", String(320), primary_key=True),  # lower case
    Column("password_hash", String(300), nullable=False),  # argon2id, PHC string
    Column("role", String(20), nullable=False),
)

RESOURCES = Table(
    "resources",
    METADATA,
    Column("folder", String(128), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_by", String(320), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
