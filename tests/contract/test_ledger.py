"""What every ledger promises, in a file or in a server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Connection, DateTime, Integer, MetaData, String, Table
from testservers.given import GivenPostgres
from testservers.postgres import PrivatePostgres

from azaion_common.contracts.events import ImageDeleted, images
from azaion_common.contracts.events.codec import decode
from azaion_common.core.errors import PermanentError, SetupError, TransientError
from azaion_common.platform.database import ownership
from azaion_common.platform.database.after_commit import after_commit
from azaion_common.platform.ledger import keeping
from azaion_common.platform.ledger.handler import Effect, NewJob, Outgoing
from azaion_common.platform.ledger.ledger import Ledger

TABLES = MetaData()
NAMES = Table(
    "names", TABLES, Column("id", Integer, primary_key=True), Column("name", String(50), unique=True)
)
OpenLedger = Callable[..., AbstractAsyncContextManager[Ledger]]


@pytest.fixture
def open_ledger(ledger_url: str) -> OpenLedger:
    """Opens the one ledger of this test."""

    def opened(name: str = "service", **options: object) -> AbstractAsyncContextManager[Ledger]:
        return Ledger.open(ledger_url, name, TABLES, **options)  # type: ignore[arg-type]

    return opened


@pytest.fixture
async def ledger(open_ledger: OpenLedger) -> AsyncIterator[Ledger]:
    async with open_ledger() as opened:
        yield opened


def add(name: str) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        connection.execute(NAMES.insert().values(name=name))

    return work


def names(connection: Connection) -> list[str]:
    return list(connection.execute(sa.select(NAMES.c.name).order_by(NAMES.c.id)).scalars())


async def test_a_transaction_happens_as_a_whole_or_not_at_all(ledger: Ledger) -> None:
    """An error in the middle leaves nothing behind: no row, no event, no number."""

    def half(connection: Connection) -> None:
        add("half")(connection)
        ledger.emit(connection, [Outgoing(images.STREAM, ImageDeleted(name="half"), "half")])
        raise ZeroDivisionError

    await ledger.transact(add("whole"))
    with pytest.raises(ZeroDivisionError):
        await ledger.transact(half)

    def emit(connection: Connection) -> None:
        ledger.emit(connection, [Outgoing(images.STREAM, ImageDeleted(name="next"), "next")])

    await ledger.transact(emit)
    (row,) = await ledger.read(lambda connection: keeping.unsent(connection, 10))
    assert await ledger.read(names) == ["whole"]
    assert (row.seq, decode(row.body).subject) == (1, "next")


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
async def test_every_time_that_can_be_written_can_be_read(
    ledger_url: str, request: pytest.FixtureRequest, zone: str
) -> None:
    """Wherever the server stands: the first and the last moment of the calendar, as producers send them for "unknown"."""
    if ledger_url.startswith("postgresql"):
        database = sa.make_url(ledger_url).database
        request.getfixturevalue("postgres").execute(f"ALTER DATABASE \"{database}\" SET timezone = '{zone}'")
    ends = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    moments = Table("moments", MetaData(), Column("at", DateTime(timezone=True)))

    async with Ledger.open(ledger_url, "service", moments.metadata) as ledger:
        await ledger.transact(lambda c: c.execute(moments.insert(), [{"at": each} for each in ends]))
        found = await ledger.read(lambda c: list(c.execute(sa.select(moments.c.at)).scalars()))

    assert [each.replace(tzinfo=UTC) for each in found] == ends


async def test_what_is_to_follow_a_commit_follows_no_other(ledger: Ledger) -> None:
    """An action asked for in a transaction comes once, behind its commit; one of a transaction that fails never comes."""
    happened: list[str] = []

    def failing(connection: Connection) -> None:
        after_commit(connection, lambda: happened.append("failed"))
        raise RuntimeError

    def working(connection: Connection) -> None:
        after_commit(connection, lambda: happened.append("committed"))
        add("one")(connection)
        happened.append("working")

    with pytest.raises(RuntimeError):
        await ledger.transact(failing)
    await ledger.transact(working)
    await ledger.transact(add("two"))

    assert happened == ["working", "committed"]


async def test_what_was_committed_is_there_after_reopening(open_ledger: OpenLedger) -> None:
    """Rows, what is owed, and the line of numbers: a new owner goes on where the last one was."""
    async with open_ledger() as ledger:
        epoch = ledger.epoch
        effects: list[Effect] = [
            Outgoing(images.STREAM, ImageDeleted(name="a"), "a"),
            NewJob("q", "1", "{}"),
        ]
        await ledger.transact(add("a"))
        await ledger.transact(lambda connection: ledger.emit(connection, effects))

    async with open_ledger() as ledger:
        owed = await ledger.read(lambda connection: keeping.unsent(connection, 10))
        assert await ledger.read(names) == ["a"]
        assert ledger.epoch == epoch
    assert [(row.kind, row.destination, row.key, row.seq) for row in owed] == [
        ("event", images.STREAM, "a", 1),
        ("job", "q", "1", 0),
    ]


async def test_a_ledger_has_one_owner(open_ledger: OpenLedger, ledger: Ledger) -> None:
    """A second one is refused and changes nothing; one of another name is another ledger."""
    with pytest.raises(SetupError) as caught:
        async with open_ledger(wait_s=0):
            raise AssertionError
    assert caught.value.code == "ledger_in_use"

    await ledger.transact(add("a"))
    assert await ledger.read(names) == ["a"]


async def test_the_next_owner_waits_for_the_last_one(open_ledger: OpenLedger) -> None:
    """Who comes while the last owner goes gets the ledger a moment later."""
    async with open_ledger() as ledger:

        async def take() -> list[str]:
            async with open_ledger(wait_s=10) as taken:
                return await taken.read(names)

        taking = asyncio.create_task(take())
        await asyncio.sleep(0.3)
        await ledger.transact(add("a"))
        assert not taking.done()

    assert await taking == ["a"]


async def test_others_may_look_while_the_owner_works(open_ledger: OpenLedger, ledger: Ledger) -> None:
    """Commands see what is committed, and the owner is not held up by them."""
    await ledger.transact(add("a"))
    async with open_ledger(exclusive=False) as looking:
        assert await looking.read(names) == ["a"]
        await ledger.transact(add("b"))
        assert await looking.read(names) == ["a", "b"]


async def test_a_constraint_that_is_violated_is_told_as_such(ledger: Ledger) -> None:
    """The service's own mistake is not taken for an outage, and the ledger works on."""
    await ledger.transact(add("a"))
    with pytest.raises(sa.exc.IntegrityError):
        await ledger.transact(add("a"))

    await ledger.transact(add("b"))
    assert await ledger.read(names) == ["a", "b"]


async def test_a_cancelled_caller_does_not_break_a_transaction_off(ledger: Ledger) -> None:
    """What has begun goes to its end, and the next transaction sees it."""
    begun = threading.Event()

    def slow(connection: Connection) -> None:
        begun.set()
        add("slow")(connection)
        connection.execute(NAMES.insert(), [{"name": f"row {number}"} for number in range(2000)])

    task = asyncio.create_task(ledger.transact(slow))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await ledger.read(lambda connection: len(names(connection))) == 2001


async def test_a_new_line_of_numbers_begins_at_one(ledger: Ledger) -> None:
    """A ledger that turns out to be an old copy numbers what it owes anew, in the same order, under a higher epoch."""
    before = ledger.epoch
    effects = [Outgoing(images.STREAM, ImageDeleted(name=name), name) for name in "abc"]
    await ledger.transact(lambda connection: ledger.emit(connection, effects))
    first, *_ = await ledger.read(lambda connection: keeping.unsent(connection, 1))
    await ledger.transact(lambda connection: keeping.mark_sent(connection, [first]))

    await ledger.renew_epoch()

    owed = await ledger.read(lambda connection: keeping.unsent(connection, 10))
    events = [decode(row.body) for row in owed]
    assert ledger.epoch > before
    assert [(event.subject, event.seq, event.epoch) for event in events] == [
        ("b", 1, ledger.epoch),
        ("c", 2, ledger.epoch),
    ]


@pytest.mark.parametrize("transport", ["production"], indirect=True)
async def test_an_owner_that_lost_its_connection_comes_back(
    ledger: Ledger, ledger_url: str, postgres: PrivatePostgres | GivenPostgres
) -> None:
    """The call that meets the broken connection says so; the next one works, under the same ownership."""
    await ledger.transact(add("a"))
    database = ledger_url.rpartition("/")[2]
    postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"  # noqa: S608
    )

    with pytest.raises(TransientError) as caught:
        await ledger.transact(add("b"))
    assert caught.value.code == "ledger_unavailable"
    await ledger.transact(add("c"))
    assert await ledger.read(names) == ["a", "c"]


@pytest.mark.parametrize("transport", ["production"], indirect=True)
async def test_who_lost_the_ledger_to_another_writes_no_more(
    open_ledger: OpenLedger,
    ledger_url: str,
    postgres: PrivatePostgres | GivenPostgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An owner whose connection broke while another took over is told, and what it writes is refused."""
    monkeypatch.setitem(ownership.WAIT_S, "postgresql", 1.0)
    database = ledger_url.rpartition("/")[2]
    async with open_ledger() as first:
        postgres.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"  # noqa: S608
        )
        async with open_ledger(wait_s=20) as second:
            for _ in range(2):
                with pytest.raises(TransientError):
                    await first.transact(add("late"))
            await second.transact(add("a"))
            assert await second.read(names) == ["a"]


async def test_whoever_is_cancelled_while_closing_owns_until_its_last_transaction_is_over(
    open_ledger: OpenLedger,
) -> None:
    """Impatience at the end of a service lets no other owner in beside what the old one still writes."""
    may_end, has_begun = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        has_begun.set()
        may_end.wait(20)
        add("late")(connection)

    async def own() -> None:
        async with open_ledger() as ledger:
            writing.append(asyncio.create_task(ledger.transact(slow)))
            await asyncio.to_thread(has_begun.wait, 20)

    writing: list[asyncio.Task[None]] = []
    owning = asyncio.create_task(own())
    await asyncio.to_thread(has_begun.wait, 20)
    await asyncio.sleep(0.1)  # it is closing
    for _ in range(2):
        owning.cancel()
        await asyncio.sleep(0.05)
    with pytest.raises(PermanentError, match="has an owner"):
        async with open_ledger(wait_s=0):
            pass
    may_end.set()
    await asyncio.gather(owning, *writing, return_exceptions=True)

    async with open_ledger(wait_s=10) as ledger:
        assert await ledger.read(names) == ["late"]
