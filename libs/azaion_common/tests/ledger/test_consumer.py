"""The consumer's promise: each record ends up applied, passed over or quarantined, once, whatever happens between."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table

from azaion_common.contracts.events import ImageDeleted, images
from azaion_common.contracts.events.codec import decode, encode
from azaion_common.contracts.events.envelope import wrap
from azaion_common.core.errors import PermanentError, SetupError, TransientError
from azaion_common.platform.ledger import batch as batch_module
from azaion_common.platform.ledger import consumer as consumer_module
from azaion_common.platform.ledger import inbox, letters
from azaion_common.platform.ledger.accounting import StreamAccount, account, cursors
from azaion_common.platform.ledger.batch import BatchWork
from azaion_common.platform.ledger.consumer import Consumer
from azaion_common.platform.ledger.decoding import decode_event
from azaion_common.platform.ledger.handler import Delivery, Effect, OneByOne, Outgoing, Ready
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.streams import Message, Record
from azaion_common.testing import platform as open_platform

TABLES = MetaData()
NAMES = Table("names", TABLES, Column("id", Integer, primary_key=True), Column("name", String))


class Died(BaseException):
    """Stands in for ``kill -9``: nothing handles it."""


@dataclass
class Recorder(OneByOne[str, str]):
    """Writes each name into its table and announces it; told to fail by name."""

    refuse_in: dict[str, str] = field(default_factory=dict)
    transient_left: int = 0
    dies_at: str | None = None
    dies_in: str = "apply"
    prepared: list[str] = field(default_factory=list)
    applied: Counter[str] = field(default_factory=Counter)
    """How often ``apply`` was called for each, whether or not it was committed."""

    async def prepare(self, delivery: Delivery[str]) -> str:
        self.prepared.append(delivery.content)
        if self.dies_in == "prepare" and delivery.content.upper() == self.dies_at:
            raise Died
        if self.transient_left:
            self.transient_left -= 1
            raise TransientError("away", "for a moment")
        self._fail("prepare", delivery.content)
        return delivery.content.upper()

    def apply_one(self, connection: Connection, delivery: Delivery[str], prepared: str) -> Iterable[Effect]:
        self.applied[prepared] += 1
        if self.dies_in == "apply" and prepared == self.dies_at:
            raise Died
        connection.execute(NAMES.insert().values(name=prepared))
        self._fail("apply", delivery.content)
        return [Outgoing(images.STREAM, ImageDeleted(name=prepared), prepared)]

    def _fail(self, step: str, name: str) -> None:
        if self.refuse_in.get(name) == step:
            raise PermanentError("unwanted", f"{name} is refused in {step}")
        if self.refuse_in.get(name) == f"bug in {step}":
            raise ZeroDivisionError(name)
        if self.refuse_in.get(name) == f"setup in {step}":
            raise SetupError("store_denied", "nobody may write")
        if self.refuse_in.get(name) == f"outage in {step}":
            del self.refuse_in[name]
            raise sa.exc.OperationalError("INSERT", None, sqlite3.OperationalError("the server went away"))


def decode_text(record: Record) -> Delivery[str] | None:
    if record.body == b"unknown":
        return None
    if record.body == b"malformed":
        raise PermanentError("malformed", "cannot be read")
    return Delivery(record, record.body.decode())


def decode_name(record: Record) -> Delivery[str] | None:
    """Of our own events: the picture's name, with the identity that the envelope gives it."""
    delivery = decode_event(record)
    return (
        Delivery(record, delivery.envelope.subject, delivery.envelope)
        if delivery and delivery.envelope
        else None
    )


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    async with open_platform(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def consuming(platform: Platform, handler: Recorder, **options: object) -> AsyncIterator[Ledger]:
    """A consumer of stream ``in`` at work."""
    async with platform.open_ledger("service", TABLES) as ledger:
        consumer = Consumer(
            log=platform.log,
            ledger=ledger,
            blobs=platform.blobs,
            stream="in",
            handler=handler,
            **{"decode": decode_text, **options},  # type: ignore[arg-type]
        )
        stopping = asyncio.Event()
        task = asyncio.create_task(consumer.run(stopping))
        try:
            yield ledger
        finally:
            stopping.set()
            await task


async def put(platform: Platform, *bodies: str) -> None:
    await platform.log.append("in", [Message(body.encode()) for body in bodies])


async def settled(platform: Platform, ledger: Ledger) -> StreamAccount:
    """The books once nothing is pending."""
    async with asyncio.timeout(10):
        while True:
            found = await ledger.read(cursors)
            if found and (books := await account(platform.log, found[0])).pending == 0:
                return books
            await asyncio.sleep(0.01)


async def names(ledger: Ledger) -> list[str]:
    return list(
        await ledger.read(lambda connection: connection.execute(sa.select(NAMES.c.name)).scalars().all())
    )


async def announced(platform: Platform, wanted: int) -> list[str]:
    """Subjects of what was published, once ``wanted`` are there."""
    async with asyncio.timeout(10):
        while len(records := await platform.log.read(images.STREAM, limit=1000)) < wanted:
            await asyncio.sleep(0.01)
    return [decode(record.body).subject for record in records]


async def test_records_are_applied_in_order_and_announced(platform: Platform) -> None:
    """Each record changes the table once and its event reaches the stream, in order."""
    await put(platform, "a", "b", "c")
    async with consuming(platform, Recorder()) as ledger:
        books = await settled(platform, ledger)

        assert await names(ledger) == ["A", "B", "C"]
        assert await announced(platform, 3) == ["A", "B", "C"]
    assert (books.applied, books.balanced) == (3, True)


async def test_nothing_is_applied_again_after_a_restart(platform: Platform) -> None:
    """A new consumer goes on behind what was applied."""
    await put(platform, "a")
    async with consuming(platform, Recorder()) as ledger:
        await settled(platform, ledger)
    await put(platform, "b")

    async with consuming(platform, Recorder()) as ledger:
        await settled(platform, ledger)
        assert await names(ledger) == ["A", "B"]


@pytest.mark.parametrize("step", ["prepare", "apply", "bug in prepare", "bug in apply"])
async def test_a_refused_record_is_quarantined_and_the_others_go_on(platform: Platform, step: str) -> None:
    """A permanent error, or a bug, costs its own record only: kept with its reason, and dead-lettered."""
    await put(platform, "a", "bad", "c")
    async with consuming(platform, Recorder(refuse_in={"bad": step})) as ledger:
        books = await settled(platform, ledger)
        assert await names(ledger) == ["A", "C"]
        await announced(platform, 2)

    letters = [decode(record.body).event for record in await platform.log.read("azaion.dead-letters")]
    assert [letter.reason for letter in letters] == ["internal_error" if "bug" in step else "unwanted"]  # type: ignore[union-attr]
    assert await platform.blobs.get(letters[0].raw.sha256) == b"bad"  # type: ignore[union-attr]
    assert (books.applied, books.quarantined, books.balanced) == (2, 1, True)


async def test_a_database_that_fails_in_mid_batch_is_not_the_fault_of_a_record(platform: Platform) -> None:
    """What the ledger cannot do for a moment is done again, and nothing is quarantined."""
    await put(platform, "a", "b")
    async with consuming(platform, Recorder(refuse_in={"b": "outage in apply"})) as ledger:
        books = await settled(platform, ledger)

        assert await names(ledger) == ["A", "B"]
    assert (books.applied, books.quarantined) == (2, 0)


@pytest.mark.parametrize("step", ["prepare", "apply"])
async def test_a_wrong_setup_stops_the_consumer_and_refuses_nothing(platform: Platform, step: str) -> None:
    """Credentials that are refused are no reason to put messages away: they are applied once that is mended."""
    await put(platform, "a", "b")
    with pytest.raises(BaseExceptionGroup) as caught:
        await live_until_refused(platform, Recorder(refuse_in={"b": f"setup in {step}"}), step)
    assert caught.group_contains(SetupError)

    async with consuming(platform, Recorder()) as ledger:
        books = await settled(platform, ledger)
        assert await names(ledger) == ["A", "B"]
    assert (books.applied, books.quarantined) == (2, 0)


async def test_preparing_ends_as_a_whole(platform: Platform) -> None:
    """When one record stops the service, the others of its batch are not prepared behind its back."""

    class Slow(Recorder):
        finished = 0

        async def prepare(self, delivery: Delivery[str]) -> str:
            if delivery.content == "a":
                await asyncio.sleep(0.3)
                self.finished += 1
            return await super().prepare(delivery)

    handler = Slow(refuse_in={"b": "setup in prepare"})
    await put(platform, "a", "b")
    with pytest.raises(BaseExceptionGroup) as caught:
        await live_until_refused(platform, handler, "prepare")
    assert caught.group_contains(SetupError)
    await asyncio.sleep(0.5)

    assert handler.finished == 0


async def test_a_letter_whose_body_is_lost_does_not_hold_the_others_up(platform: Platform) -> None:
    """Tried again, it is refused with that reason; the next one has its turn at once."""
    handler = Recorder(refuse_in={"b": "prepare"})
    await put(platform, "a", "b")
    async with consuming(platform, handler) as ledger:
        await settled(platform, ledger)

    handler.refuse_in.clear()
    unwanted = PermanentError("unwanted", "by somebody")
    async with platform.open_ledger("service", TABLES) as ledger:

        def lose_and_requeue(connection: Connection) -> None:
            inbox.quarantine(connection, "in", 0, unwanted, "0" * 64)
            assert letters.requeue(connection, "in", 0)
            assert letters.requeue(connection, "in", 1)

        await ledger.transact(lose_and_requeue)
    async with consuming(platform, handler) as ledger, asyncio.timeout(5):
        while await names(ledger) != ["A", "B"]:
            await asyncio.sleep(0.01)
        found = {letter.offset: (letter.state, letter.reason) for letter in await ledger.read(letters.every)}

    assert found[0] == ("open", "blob_missing")
    assert found[1][0] == "applied"


async def test_many_refusals_in_a_batch_cost_two_more_passes(platform: Platform) -> None:
    """A storm of bad records is not applied again for each of them: the handler sees each good one three times at most."""
    bodies = [f"bad {number}" if number % 2 else f"good {number}" for number in range(60)]
    await put(platform, *bodies)
    handler = Recorder(refuse_in={body: "apply" for body in bodies if body.startswith("bad")})
    async with consuming(platform, handler) as ledger:
        books = await settled(platform, ledger)

        assert await names(ledger) == [body.upper() for body in bodies if body.startswith("good")]
    assert (books.applied, books.quarantined, books.balanced) == (30, 30, True)
    assert handler.applied["GOOD 0"] <= 3


class Together(Recorder):
    """Notes how many come together; told to, it cannot handle several."""

    def __init__(self, *, alone: bool = False) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self._alone = alone

    def apply(self, connection: Connection, batch: Sequence[Ready[str, str]]) -> Sequence[Iterable[Effect]]:
        self.sizes.append(len(batch))
        if self._alone and len(batch) > 1:
            raise ZeroDivisionError
        return super().apply(connection, batch)


async def test_what_came_together_is_applied_together(platform: Platform) -> None:
    """The handler gets a batch in one call, without what is passed over or refused."""
    await put(platform, "a", "malformed", "b", "unknown", "c")
    handler = Together()
    async with consuming(platform, handler) as ledger:
        await settled(platform, ledger)

        assert await announced(platform, 3) == ["A", "B", "C"]
    assert handler.sizes == [3]


async def test_a_batch_that_fails_as_a_whole_is_applied_one_by_one(platform: Platform) -> None:
    """A fault that no single record has costs none of them."""
    await put(platform, "a", "b", "c")
    handler = Together(alone=True)
    async with consuming(platform, handler) as ledger:
        books = await settled(platform, ledger)

        assert await names(ledger) == ["A", "B", "C"]
    assert (books.applied, books.quarantined) == (3, 0)
    assert handler.sizes == [3, 1, 1, 1]


async def test_malformed_is_quarantined_and_unknown_is_passed_over(platform: Platform) -> None:
    """What cannot be read is kept aside; what is merely newer than the reader is not an error."""
    await put(platform, "malformed", "unknown", "a")
    async with consuming(platform, Recorder()) as ledger:
        books = await settled(platform, ledger)

    assert (books.applied, books.passed_over, books.quarantined, books.messages_in) == (2, 1, 1, 3)


async def test_a_transient_error_is_waited_out(platform: Platform) -> None:
    """A record that cannot be prepared for now is tried again and loses nothing."""
    await put(platform, "a")
    handler = Recorder(transient_left=2)
    async with consuming(platform, handler) as ledger:
        await settled(platform, ledger)
        assert await names(ledger) == ["A"]

    assert handler.prepared == ["a", "a", "a"]


async def live_until_refused(platform: Platform, handler: Recorder, step: str) -> None:
    async with consuming(platform, handler), asyncio.timeout(10):
        while "b" not in handler.prepared or (step == "apply" and not handler.applied["B"]):
            await asyncio.sleep(0.01)


async def live_until_death(platform: Platform, dies_in: str) -> None:
    handler = Recorder(dies_at="DEADLY", dies_in=dies_in)
    async with consuming(platform, handler, batch=2), asyncio.timeout(10):
        while not (handler.applied["DEADLY"] or (dies_in == "prepare" and "deadly" in handler.prepared)):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # until it is dead: a stop is none


@pytest.mark.slow
@pytest.mark.parametrize("dies_in", ["prepare", "apply"])
async def test_a_record_that_kills_the_process_is_put_aside_in_the_end(
    platform: Platform, dies_in: str
) -> None:
    """The record at which the process keeps dying is quarantined; what stands around it is applied once."""
    await put(platform, "a", "b", "c", "deadly", "e", "f")
    for lives in count(1):
        assert lives <= consumer_module.MAX_DEATHS + 4  # those before it, one by one
        with pytest.raises(BaseExceptionGroup) as caught:
            await live_until_death(platform, dies_in)
        assert caught.group_contains(Died)
        async with platform.open_ledger("service", TABLES) as ledger:
            at = await ledger.transact(lambda connection: inbox.progress(connection, "in"))
        assert at.deaths >= 1
        if at.deaths >= consumer_module.MAX_DEATHS:
            break
    async with consuming(platform, Recorder(dies_at="DEADLY", dies_in=dies_in)) as ledger:
        books = await settled(platform, ledger)

        assert await names(ledger) == ["A", "B", "C", "E", "F"]
    assert (books.quarantined, books.balanced) == (1, True)


async def test_the_next_batch_is_prepared_while_one_is_applied(platform: Platform) -> None:
    """Handlers that are slow to prepare are not held up by the database."""
    handler = Overlapping()
    await put(platform, "first", "a", "b")
    async with consuming(platform, handler, batch=1) as ledger:
        await settled(platform, ledger)

        assert await names(ledger) == ["FIRST", "A", "B"]
    assert handler.overlapped


class Overlapping(Recorder):
    """Applies ``a`` only when ``b`` is being prepared."""

    def __init__(self) -> None:
        super().__init__()
        self._next = threading.Event()
        self.overlapped = False

    async def prepare(self, delivery: Delivery[str]) -> str:
        if delivery.content == "b":
            self._next.set()
        else:
            await asyncio.sleep(0.1)  # until all have come
        return await super().prepare(delivery)

    def apply_one(self, connection: Connection, delivery: Delivery[str], prepared: str) -> Iterable[Effect]:
        if prepared == "A":
            self.overlapped = self._next.wait(5)
        return super().apply_one(connection, delivery, prepared)


async def test_the_same_event_twice_is_applied_once(platform: Platform) -> None:
    """A producer that sends an event again (a second record of one identity) changes nothing."""
    event = wrap(event=ImageDeleted(name="a"), subject="a", producer="p", epoch=1, seq=1, stream="in")
    await platform.log.append("in", [Message(encode(event)), Message(encode(event))])

    async with platform.open_ledger("service", TABLES) as ledger:
        stopping = asyncio.Event()
        consumer = Consumer(
            log=platform.log, ledger=ledger, blobs=platform.blobs, stream="in", handler=Recorder(), decode=decode_name
        )  # fmt: skip
        task = asyncio.create_task(consumer.run(stopping))
        books = await settled(platform, ledger)
        stopping.set()
        await task

        assert await names(ledger) == ["A"]
    assert (books.applied, books.passed_over) == (2, 1)


async def test_a_gap_in_a_producers_numbers_stops_the_consumer(platform: Platform) -> None:
    """Missing events are never skipped in silence."""
    events = [
        wrap(event=ImageDeleted(name="a"), subject="a", producer="p", epoch=1, seq=seq, stream="in")
        for seq in (1, 3)
    ]
    await platform.log.append("in", [Message(encode(event)) for event in events])

    async with platform.open_ledger("service", TABLES) as ledger:
        consumer = Consumer(
            log=platform.log, ledger=ledger, blobs=platform.blobs, stream="in", handler=Recorder(), decode=decode_name
        )  # fmt: skip
        with pytest.raises(PermanentError, match="jumped from 1 to 3"):
            await asyncio.wait_for(consumer.run(asyncio.Event()), 10)


@dataclass
class Slow(Recorder):
    """Prepares until it is let go on."""

    going_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def prepare(self, delivery: Delivery[str]) -> str:
        prepared = await super().prepare(delivery)
        await self.going_on.wait()
        return prepared


async def test_a_stop_does_not_wait_for_what_is_being_prepared(platform: Platform) -> None:
    """A stop leaves it in the stream, where it counts as no death, however often; later each is applied once."""
    await put(platform, "a", "b", "c")
    for _ in range(consumer_module.MAX_DEATHS + 2):
        handler = Slow()
        async with asyncio.timeout(5), consuming(platform, handler, batch=2) as ledger:
            while not handler.prepared:
                await asyncio.sleep(0.001)
        async with platform.open_ledger("service", TABLES) as ledger:
            at = await ledger.transact(lambda connection: inbox.progress(connection, "in"))
        assert (at.next_offset, at.deaths) == (0, 0)

    async with consuming(platform, Recorder()) as ledger:
        books = await settled(platform, ledger)
        assert await names(ledger) == ["A", "B", "C"]
    assert (books.applied, books.quarantined, books.balanced) == (3, 0, True)


async def test_what_is_prepared_at_a_time_is_bounded_by_its_bytes(platform: Platform) -> None:
    """Messages that unpack to much are unpacked only when there is room for them."""
    handler, unpacked = Slow(), []

    def unpack(record: Record) -> Delivery[str] | None:
        unpacked.append(record.offset)
        return decode_text(record)

    await put(platform, "a", "b", "c", "d", "e")
    weigh = lambda _record: batch_module.PREPARED_BYTES // 2  # noqa: E731
    async with consuming(platform, handler, decode=unpack, weigh=weigh) as ledger:
        await asyncio.sleep(0.1)
        assert unpacked == [0, 1]
        handler.going_on.set()
        await settled(platform, ledger)

        assert await names(ledger) == ["A", "B", "C", "D", "E"]


class _Picture(str):  # noqa: SLOT000 - without weak references then
    """A content of which it can be told whether it is gone."""


async def test_a_batch_holds_no_picture_longer_than_it_is_prepared(platform: Platform) -> None:
    """Neither of what will be applied nor, in the frames of its error, of what is refused."""
    alive: weakref.WeakSet[_Picture] = weakref.WeakSet()
    handler = Recorder(refuse_in={"b": "prepare", "c": "prepare"})

    def unpack(record: Record) -> Delivery[str]:
        picture = _Picture(record.body.decode())
        alive.add(picture)
        return Delivery(record, picture)

    await put(platform, "a", "b", "c", "d")
    async with platform.open_ledger("service", TABLES) as ledger:
        work = BatchWork(
            ledger=ledger,
            blobs=platform.blobs,
            handler=handler,
            decode=unpack,
            prepare_concurrency=4,
            accept_gap=False,
            kept=lambda content: str(content[:1]),
        )
        handler.prepared = _Forgets()
        gc.disable()
        try:
            steps = await work.prepare(await platform.log.read("in"))
            assert not list(alive)
        finally:
            gc.enable()
    assert [step.error is None for step in steps] == [True, False, False, True]


class _Forgets(list[str]):
    def append(self, item: str) -> None:
        pass
