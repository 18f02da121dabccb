"""Traps of RabbitMQ Streams and of its Python client, each with what the event log makes of it.

The names in brackets say what the trap does to a program that trusts the client.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from rstream import (
    AMQPMessage,
    CompressionType,
    Consumer,
    ConsumerOffsetSpecification,
    OffsetType,
    amqp_decoder,
    schema,
)
from testservers.fault_proxy import FaultProxy
from testservers.given import GivenRabbit
from testservers.locations import client_options, plain_producer, stream_location
from testservers.rabbitmq import PrivateRabbit

from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.streams import Message, Record
from azaion_common.platform.streams.rabbitmq import RabbitEventLog, StreamsLocation
from azaion_common.platform.streams.rabbitmq.link import Link
from azaion_common.platform.streams.rabbitmq.topology import Retention

NOTICED_S = 15.0
pytestmark = pytest.mark.timeout(90)


@pytest.fixture
async def log(location: StreamsLocation) -> AsyncIterator[RabbitEventLog]:
    async with RabbitEventLog.open(location, name="test") as opened:
        yield opened


@pytest.fixture
async def proxied(proxied_location: StreamsLocation) -> AsyncIterator[RabbitEventLog]:
    """A log behind ``stream_proxy``."""
    async with RabbitEventLog.open(proxied_location, name="test") as opened:
        yield opened


def numbered(first: int, last: int) -> list[Message]:
    return [Message(str(number).encode(), seq=number) for number in range(first, last + 1)]


def numbers(records: list[Record]) -> list[int]:
    return [int(record.body) for record in records]


class Reader:
    """Follows a stream in the background and keeps what comes."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    @classmethod
    @asynccontextmanager
    async def following(cls, log: RabbitEventLog, stream: str, offset: int = 0) -> AsyncIterator[Reader]:
        reader = cls()

        async def follow() -> None:
            async for batch in log.follow(stream, offset):
                reader.records += batch

        task = asyncio.create_task(follow())
        try:
            yield reader
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, wanted: int, timeout_s: float = 30) -> None:
        async with asyncio.timeout(timeout_s):
            while len(self.records) < wanted:
                await asyncio.sleep(0.01)


async def test_a_handler_that_fails_loses_nothing_of_its_chunk(log: RabbitEventLog) -> None:
    """An error over one message leaves the others of its chunk to be read (client: the chunk's rest is dropped)."""
    await log.append("s", numbered(1, 500), producer="p")
    read: list[int] = []
    while len(read) < 500:
        async for batch in log.follow("s", len(read), max_batch=7):
            read += numbers(batch)
            if len(read) % 70 == 0 or len(read) == 500:
                break  # as a handler's exception would

    assert read == list(range(1, 501))


async def test_a_reader_goes_on_after_its_connection_was_cut(
    proxied: RabbitEventLog, stream_proxy: FaultProxy
) -> None:
    """Each cut costs a moment (client: a consumer never comes back, and says nothing)."""
    async with Reader.following(proxied, "s") as reader:
        for number in range(1, 6):
            await proxied.append("s", numbered(number, number), producer="p")
            await reader.until(number)
            stream_proxy.cut() if number % 2 else stream_proxy.reset()

    assert numbers(reader.records) == [1, 2, 3, 4, 5]


async def test_a_black_hole_is_noticed(proxied: RabbitEventLog, stream_proxy: FaultProxy) -> None:
    """A connection through which nothing comes is given up within 15 s (client: it counts as alive for ever)."""
    await proxied.append("s", numbered(1, 1), producer="p")
    async with Reader.following(proxied, "s") as reader:
        await reader.until(1)
        with structlog.testing.capture_logs() as said:
            started = time.monotonic()
            stream_proxy.swallow()
            while not any(line["event"] == "stream.reader_waiting" for line in said):
                assert time.monotonic() - started < NOTICED_S
                await asyncio.sleep(0.05)
        stream_proxy.mend()
        await proxied.append("s", numbered(2, 2), producer="p")
        await reader.until(2)

    assert numbers(reader.records) == [1, 2]


async def test_a_black_hole_does_not_hold_a_writer(proxied: RabbitEventLog, stream_proxy: FaultProxy) -> None:
    """A message without a confirm is in doubt within seconds and sent again, once (client: waits, then does not know)."""
    await proxied.append("s", numbered(1, 1), producer="p")
    stream_proxy.swallow()
    with structlog.testing.capture_logs() as said:
        appending = asyncio.create_task(proxied.append("s", numbered(2, 2), producer="p"))
        async with asyncio.timeout(NOTICED_S):
            while not any(line["event"] == "stream.publish_in_doubt" for line in said):
                await asyncio.sleep(0.05)
    stream_proxy.mend()
    await asyncio.wait_for(appending, NOTICED_S)

    assert numbers(await proxied.read("s")) == [1, 2]


async def test_each_name_counts_for_itself(log: RabbitEventLog) -> None:
    """Two publishers of one stream in one process are two (client: the second is taken for the first, and dropped)."""
    await asyncio.gather(
        log.append("s", numbered(1, 100), producer="p"), log.append("s", numbered(1, 100), producer="q")
    )

    assert await log.count("s") == 200


async def test_nothing_overtakes_what_is_in_doubt(proxied: RabbitEventLog, stream_proxy: FaultProxy) -> None:
    """Messages go out in the order of their numbers across cuts (broker: confirms a late number and throws it away)."""

    async def cut() -> None:
        for _ in range(8):
            await asyncio.sleep(0.05)
            stream_proxy.reset()

    cutting = asyncio.create_task(cut())
    appending = [
        proxied.append("s", numbered(first, first + 9), producer="p") for first in range(1, 2001, 10)
    ]
    await asyncio.gather(*appending)
    await cutting

    assert numbers(await proxied.read("s", limit=5000)) == list(range(1, 2001))


async def test_frames_stay_below_the_limit_of_the_broker(
    log: RabbitEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many messages go in several frames of which none is too large; one that fits in no frame is refused unsent."""
    sizes: list[int] = []
    send = Link.send_publish_frame

    async def note_and_send(link: Link, frame: schema.Publish, version: int = 1) -> None:
        sizes.append(sum(len(message.data) for message in frame.messages))
        await send(link, frame, version)

    monkeypatch.setattr(Link, "send_publish_frame", note_and_send)
    await log.append("s", [Message(bytes(100_000), seq=number) for number in range(1, 11)], producer="p")
    with pytest.raises(PermanentError) as caught:
        await log.append("s", [Message(bytes(33 << 20), seq=11)], producer="p")
    await log.append("s", [Message(b"small", seq=11)], producer="p")

    assert len(sizes) == 6
    assert max(sizes) < 256 << 10
    assert caught.value.code == "message_too_large"
    assert [len(each.body) for each in await log.read("s")] == [100_000] * 10 + [5]


async def test_a_cancellation_that_comes_with_an_answer_counts(
    log: RabbitEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is cancelled at the instant of an answer ends (client, on Python 3.11: goes on as if nothing had been said)."""
    await log.append("s", numbered(1, 1), producer="p")
    take = Link._take

    def take_and_cancel(link: Link, raw: bytes) -> None:
        take(link, raw)
        asking.cancel()

    asking = asyncio.create_task(log._cluster.last_seq("s", "p"))
    monkeypatch.setattr(Link, "_take", take_and_cancel)
    await asyncio.wait({asking})

    assert asking.cancelled()


async def test_a_reader_at_the_end_stays_there(proxied: RabbitEventLog, stream_proxy: FaultProxy) -> None:
    """A cut before the first message repeats nothing old (client: begins at offset 0)."""
    await proxied.append("s", numbered(1, 50), producer="p")
    async with Reader.following(proxied, "s", await proxied.end("s")) as reader:
        await asyncio.sleep(0.3)
        stream_proxy.cut()
        await asyncio.sleep(0.3)
        await proxied.append("s", numbered(51, 51), producer="p")
        await reader.until(1)

    assert numbers(reader.records) == [51]


async def test_a_cursor_beyond_the_end_is_told(log: RabbitEventLog) -> None:
    """A log that ends before the cursor has lost messages (client: clamps, and drops what comes next)."""
    await log.append("s", numbered(1, 100), producer="p")

    with pytest.raises(TransientError) as caught:
        await anext(log.follow("s", 15_000))
    assert caught.value.code == "log_regressed"


async def test_another_message_at_the_place_of_the_last_one_is_told(log: RabbitEventLog) -> None:
    """Offsets that were given away anew after a loss do not pass for the old ones."""
    await log.append("s", numbered(1, 100), producer="p")

    with pytest.raises(TransientError) as caught:
        await anext(log.follow("s", 50, after=b"?" * 32))
    assert caught.value.code == "log_regressed"


@pytest.mark.parametrize("compression", [CompressionType.No, CompressionType.Gzip])
async def test_packed_entries_have_an_offset_for_each_message(
    proxied: RabbitEventLog,
    stream_proxy: FaultProxy,
    proxied_location: StreamsLocation,
    compression: CompressionType,
) -> None:
    """A stream of packed entries is read on exactly where it was cut (client: counts entries, and repeats)."""
    await proxied.append("s", [Message(b"0")])
    async with plain_producer(proxied_location) as producer:
        for first in range(1, 250, 50):
            bodies = [str(number).encode() for number in range(first, first + 50)]
            entry = [AMQPMessage(body=body) for body in bodies]
            await producer.send_sub_entry("s", entry, compression_type=compression)
    async with Reader.following(proxied, "s") as reader:
        await reader.until(251)
        stream_proxy.cut()
        await asyncio.sleep(0.3)
        await proxied.append("s", [Message(b"251")])
        await reader.until(252)

    assert numbers(reader.records) == list(range(252))
    assert [record.offset for record in reader.records] == list(range(252))
    assert numbers(await proxied.read("s", 137, limit=3)) == [137, 138, 139]


async def test_other_tools_read_what_we_write(log: RabbitEventLog, location: StreamsLocation) -> None:
    """Our messages are AMQP 1.0 with application properties."""
    await log.append("s", [Message(b"\x00body", {"AnnotationStatus": 10, "who": "a"})])
    found: list[AMQPMessage] = []
    consumer = Consumer(**client_options(location))
    await consumer.start()

    async def keep(message: AMQPMessage, _context: object) -> None:
        found.append(message)

    first = ConsumerOffsetSpecification(OffsetType.FIRST)
    await consumer.subscribe("s", keep, decoder=amqp_decoder, offset_specification=first)
    async with asyncio.timeout(10):
        while not found:
            await asyncio.sleep(0.01)
    await consumer.close()

    assert found[0].body == b"\x00body"
    properties = {
        key.decode() if isinstance(key, bytes) else key: value
        for key, value in (found[0].application_properties or {}).items()
    }
    assert properties["AnnotationStatus"] == 10


async def test_we_read_what_others_write(log: RabbitEventLog, location: StreamsLocation) -> None:
    """AMQP 1.0 with properties as it was meant; bytes that are no AMQP as they came."""
    await log.append("s", [Message(b"first")])
    async with plain_producer(location) as producer:
        await producer.send_wait(
            "s", AMQPMessage(body=b"theirs", application_properties={"AnnotationStatus": 20})
        )
        await producer.send_wait("s", b"\x93no amqp")

    records = await log.read("s")

    assert [record.body for record in records] == [b"first", b"theirs", b"\x93no amqp"]
    assert records[1].properties == {"AnnotationStatus": 20}


async def test_retention_that_overtakes_a_reader_is_told(location: StreamsLocation) -> None:
    """What was removed before it was read is an error that stops the reader (client: goes on behind the gap)."""
    retention = Retention(max_bytes={"s": 400_000}, segment_bytes=100_000)
    async with RabbitEventLog.open(location, name="test", retention=retention) as log:
        seq = 0
        async with asyncio.timeout(60):
            while await log.first("s") < 10:
                await log.append(
                    "s", [Message(bytes(50_000), seq=seq + 1 + n) for n in range(4)], producer="p"
                )
                seq += 4

        with pytest.raises(PermanentError) as caught:
            await anext(log.follow("s", 5))
        whole = await anext(log.follow("s", 0))

    assert caught.value.code == "log_truncated"
    assert whole[0].offset >= 10


async def test_a_stream_that_is_deleted_and_made_again_is_told(
    rabbitmq: PrivateRabbit | GivenRabbit, log: RabbitEventLog, vhost: str
) -> None:
    """The reader learns that its place is gone; the writer writes on into the new stream under its next number."""
    if isinstance(rabbitmq, GivenRabbit):
        pytest.skip("streams are deleted through the management API of a broker of our own")
    await log.append("s", numbered(1, 20), producer="p")
    reading = log.follow("s", 20)
    waiting = asyncio.ensure_future(anext(reading))
    await asyncio.sleep(0.3)
    await asyncio.to_thread(rabbitmq.manage, "DELETE", f"/queues/{vhost}/s")

    await asyncio.wait_for(append_patiently(log, numbered(21, 22)), 30)
    with pytest.raises(TransientError) as caught:
        await asyncio.wait_for(waiting, 30)
    assert caught.value.code == "log_regressed"


async def append_patiently(log: RabbitEventLog, messages: list[Message]) -> None:
    """As a relay does: a log that has lost messages says so once."""
    while True:
        try:
            return await log.append("s", messages, producer="p")
        except TransientError:
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_a_full_disk_of_the_broker_is_waited_out(fresh_rabbitmq: PrivateRabbit) -> None:
    """While the broker takes nothing, that is said, and waited out; then it goes on, and nothing is lost or twice."""
    set_limit = ("rabbitmqctl", "set_disk_free_limit")
    location = stream_location(fresh_rabbitmq, "/")
    async with (
        RabbitEventLog.open(location, name="test") as log,
        RabbitEventLog.open(location, name="x") as other,
    ):
        await log.append("s", numbered(1, 10), producer="p")
        await asyncio.to_thread(fresh_rabbitmq.control, *set_limit, "100000GB")

        async def write() -> None:
            for first in (11, 21, 31):
                await append_patiently(other, numbered(first, first + 9))

        with structlog.testing.capture_logs() as said:
            writing = asyncio.create_task(write())
            await asyncio.sleep(8)
        assert not writing.done()
        assert await log.count("s") == 10  # reading goes on
        await asyncio.to_thread(fresh_rabbitmq.control, *set_limit, "1MB")
        recovered = time.monotonic()
        await asyncio.wait_for(writing, 30)

        assert numbers(await log.read("s", limit=1000)) == list(range(1, 41))
        assert time.monotonic() - recovered < 30
    assert {line["code"] for line in said if line["event"] == "stream.publish_in_doubt"} == {"broker_blocked"}
