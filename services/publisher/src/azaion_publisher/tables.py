"""The publisher's own tables, in its ledger."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, MetaData, String, Table

METADATA = MetaData(info={"migrations": "azaion_publisher.migrations"})

PACKAGES = Table(
    "packages",
    METADATA,
    Column("job_id", String(200), primary_key=True),
    Column("package_id", String(32), nullable=False),
    Column("package_sha256", String(64), nullable=False),
    Column("package_size_bytes", BigInteger, nullable=False),
    Column("plaintext_sha256", String(64), nullable=False),
    Column("header_sha256", String(64), nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),  # never the content key itself
    Column("small_sha256", String(64), nullable=False),
    Column("small_size_bytes", Integer, nullable=False),
    Column("big_sha256", String(64), nullable=False),
    Column("big_size_bytes", BigInteger, nullable=False),
)
"""Sealed and not yet released: written before the first upload, so that a retry sends the same bytes."""

RELEASES = Table(
    "releases",
    METADATA,
    Column("release", Integer, primary_key=True, autoincrement=False),
    Column("model_id", String(16), nullable=False),
    Column("target", String(40), nullable=False),
    Column("package_id", String(32), nullable=False, unique=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("key_id", String(16)),  # of the key that signed its announcement; none before releases were signed
)
