"""Reading a ledger beside its owner: what is committed, several at a time, in nobody's way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Connection, Integer, MetaData, Table

from azaion_common.core.errors import AzaionError
from azaion_common.platform.database.readings import READERS, Readings
from azaion_common.platform.ledger.ledger import Ledger

TABLES = MetaData()
NUMBERS = Table("numbers", TABLES, Column("number", Integer, primary_key=True))


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with Ledger.open(ledger_url, "service", TABLES) as opened:
        yield opened


@pytest.fixture
async def readings(ledger_url: str, ledger: Ledger) -> AsyncIterator[Readings]:
    async with Readings.open(ledger_url, "service") as opened:
        yield opened


def count(connection: Connection) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(NUMBERS)).scalar_one()


def add(connection: Connection) -> None:
    connection.execute(NUMBERS.insert().values(number=count(connection)))


async def test_what_is_committed_is_read(ledger: Ledger, readings: Readings) -> None:
    """A reading sees each transaction that ended before it began."""
    for number in range(3):
        assert await readings.read(count) == number
        await ledger.transact(add)


async def test_readings_wait_neither_for_a_transaction_nor_for_each_other(
    ledger: Ledger, readings: Readings
) -> None:
    """While one is written, as many as there are readers read what was before."""
    together, written = threading.Barrier(READERS + 1), threading.Event()

    def read(connection: Connection) -> int:
        together.wait(10)
        return count(connection)

    def write(connection: Connection) -> None:
        add(connection)
        together.wait(10)
        written.wait(10)

    writing = asyncio.create_task(ledger.transact(write))
    assert await asyncio.gather(*(readings.read(read) for _ in range(READERS))) == [0] * READERS
    written.set()
    await writing


async def test_a_reading_is_of_one_moment(ledger: Ledger, readings: Readings) -> None:
    """Two questions in one reading get answers of the same state, whatever is committed between them."""
    asked, added = threading.Event(), threading.Event()

    def read(connection: Connection) -> tuple[int, int]:
        first = count(connection)
        asked.set()
        assert added.wait(10)
        return first, count(connection)

    reading = asyncio.create_task(readings.read(read))
    await asyncio.to_thread(asked.wait, 10)
    await ledger.transact(add)
    added.set()

    assert await reading == (0, 0)


async def test_a_reading_cannot_write(ledger: Ledger, readings: Readings) -> None:
    """Whatever its work tries, the tables stay as they are."""
    with pytest.raises(AzaionError):
        await readings.read(add)

    assert await readings.read(count) == 0
