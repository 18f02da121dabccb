"""Migrations lead to the tables that the code means, from nothing and from the first form, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, MetaData

from azaion_common.core.errors import SetupError
from azaion_common.platform.database import engine as database
from azaion_common.platform.ledger import tables
from azaion_common.platform.ledger.accounting import cursors
from azaion_common.platform.ledger.ledger import Ledger

SERVICES = ("api", "augmentor", "ingestor", "publisher", "trainer")
VERSIONS = {"ledger_version", "service_version"}


def metadata_of(service: str) -> MetaData:
    metadata: MetaData = import_module(f"azaion_{service}.tables").METADATA
    return metadata


def differences(connection: Connection, service: str) -> list[Any]:
    """What the code means and the database lacks, or the other way round."""
    meant = MetaData()
    for metadata in (tables.METADATA, metadata_of(service)):
        for table in metadata.sorted_tables:
            table.to_metadata(meant)
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "include_name": lambda name, kind, _parents: kind != "table" or name not in VERSIONS,
        },
    )
    return list(compare_metadata(context, meant))


@pytest.mark.parametrize("service", SERVICES)
async def test_a_new_ledger_has_the_tables_that_the_code_means(ledger_url: str, service: str) -> None:
    """Migrations and table definitions cannot drift apart."""
    async with Ledger.open(ledger_url, service, metadata_of(service)) as ledger:
        assert await ledger.read(lambda connection: differences(connection, service)) == []


@pytest.mark.parametrize("service", SERVICES)
async def test_a_ledger_of_the_first_form_is_brought_up_to_date(ledger_url: str, service: str) -> None:
    """From the time before versions were counted: tables change, rows stay, and it is done once."""
    make_first_form(ledger_url, service)
    for _ in range(2):
        async with Ledger.open(ledger_url, service, metadata_of(service)) as ledger:
            assert await ledger.read(lambda connection: differences(connection, service)) == []
            found = await ledger.read(cursors)
            assert [(each.next_offset, each.applied, each.before_rewind) for each in found] == [(5, 4, 0)]


def make_first_form(ledger_url: str, service: str) -> None:
    """The tables of revision 0001, without a version table, and a row in one of them."""
    engine = database.make_engine(ledger_url, service)
    with engine.begin() as connection:
        database.prepare(connection, service)
        with Operations.context(MigrationContext.configure(connection)):
            for package in ("azaion_common.platform.ledger", f"azaion_{service}"):
                import_module(f"{package}.migrations.versions.v0001_baseline").upgrade()
        counts = {"next_offset": 5, "applied": 4, "passed_over": 1, "quarantined": 0}
        names = ("stream", *counts)
        table = sa.table("inbox_cursor", *map(sa.column, names))
        connection.execute(table.insert().values(stream="s", **counts))
        letter = {"stream": "s", "offset": 1, "reason": "r", "message": "m", "raw_sha256": "0" * 64}
        at = sa.column("at", sa.DateTime(timezone=True))
        refused = sa.table("inbox_quarantine", *map(sa.column, letter), at)
        connection.execute(refused.insert().values(at=datetime.now(UTC), **letter))
    engine.dispose()


async def test_variants_of_the_first_form_get_names_that_no_picture_has(ledger_url: str) -> None:
    """``road_1`` becomes ``road+1`` where it is the copy of a picture, and stays where it is one."""
    make_first_form(ledger_url, "augmentor")
    rows = [("road", "road"), ("road_1", "road"), ("road_12", "road"), ("b_1", "b_1"), ("b_1_7", "b_1")]
    blobs = {"image_sha256": "0" * 64, "image_media_type": "image/jpeg", "labels_sha256": "0" * 64}
    saved = {"revision": 1, "saved": "{}", "recipe_sha256": "0" * 64, "seed": 0}
    pictures, variants = (
        metadata_of("augmentor").tables[name] for name in ("augmented_pictures", "augmented_variants")
    )
    engine = database.make_engine(ledger_url, "augmentor")
    with engine.begin() as connection:
        connection.execute(pictures.insert(), [{"name": each, **saved} for each in ("road", "b_1")])
        connection.execute(variants.insert(), [{"name": n, "picture": p, **blobs} for n, p in rows])
    engine.dispose()

    async with Ledger.open(ledger_url, "augmentor", metadata_of("augmentor")) as ledger:
        found = await ledger.read(lambda c: set(c.execute(sa.select(variants.c.name)).scalars()))

    assert found == {"road", "road+1", "road+12", "b_1", "b_1+7"}


async def test_a_ledger_of_a_later_version_is_left_alone(ledger_url: str) -> None:
    """An old program does not touch what it does not understand."""
    async with Ledger.open(ledger_url, "ingestor", metadata_of("ingestor")) as ledger:
        newer = sa.text("UPDATE ledger_version SET version_num = '9999'")
        await ledger.transact(lambda connection: connection.execute(newer))

    with pytest.raises(SetupError) as caught:
        async with Ledger.open(ledger_url, "ingestor", metadata_of("ingestor")):
            raise AssertionError
    assert caught.value.code == "ledger_too_new"
