"""What every ``EventLog`` promises, whatever it is made of."""

from __future__ import annotations

import asyncio

from azaion_common.platform.streams import EventLog, Message, Record
from azaion_common.testing.transports import OpenLog


def _messages(*bodies: bytes) -> list[Message]:
    return [Message(body) for body in bodies]


async def _follow(log: EventLog, stream: str, wanted: int, offset: int = 0) -> list[Record]:
    found: list[Record] = []
    async with asyncio.timeout(10):
        async for batch in log.follow(stream, offset):
            found += batch
            if len(found) >= wanted:
                return found
    raise AssertionError


async def test_an_empty_stream_has_nothing_and_ends_at_zero(log: EventLog) -> None:
    """A stream that nobody wrote to reads as empty, without an error."""
    assert await log.read("s") == []
    assert await log.end("s") == 0
    assert await log.count("s") == 0


async def test_records_come_back_whole_and_in_order(log: EventLog) -> None:
    """What was appended is read in the same order, with body and properties unchanged."""
    await log.append("s", [Message(b"\x00\xff", {"AnnotationStatus": 10, "who": "a"}), Message(b"")])

    records = await log.read("s")

    assert [record.body for record in records] == [b"\x00\xff", b""]
    assert records[0].properties == {"AnnotationStatus": 10, "who": "a"}
    assert records[0].offset < records[1].offset < await log.end("s")


async def test_streams_do_not_mix(log: EventLog) -> None:
    """Each stream has its own records and its own end."""
    await log.append("a", _messages(b"1"))
    await log.append("b", _messages(b"2", b"3"))

    assert [record.body for record in await log.read("b")] == [b"2", b"3"]
    assert [record.body for record in await log.read("a")] == [b"1"]


async def test_reading_goes_on_from_an_offset(log: EventLog) -> None:
    """A reader that stored offset + 1 sees each later record once."""
    await log.append("s", _messages(*(bytes([n]) for n in range(10))))
    first = await log.read("s", limit=4)

    rest = await log.read("s", first[-1].offset + 1)

    assert [record.body[0] for record in rest] == [4, 5, 6, 7, 8, 9]


async def test_a_waiting_reader_is_woken_by_another_connection(log: EventLog, open_log: OpenLog) -> None:
    """A reader at the end gets what another connection appends, well before any polling interval."""
    async with open_log() as other:
        reader = asyncio.create_task(_follow(other, "s", 1))
        await asyncio.sleep(0.1)
        started = asyncio.get_running_loop().time()
        await log.append("s", _messages(b"news"))

        records = await reader

    assert [record.body for record in records] == [b"news"]
    assert asyncio.get_running_loop().time() - started < 2


async def test_sending_again_adds_nothing(log: EventLog) -> None:
    """Messages of a producer whose sequence number the log has are dropped."""
    await log.append("s", [Message(b"1", seq=1), Message(b"2", seq=2)], producer="p")
    await log.append("s", [Message(b"2", seq=2), Message(b"3", seq=3)], producer="p")

    assert [record.body for record in await log.read("s")] == [b"1", b"2", b"3"]
    assert await log.last_seq("s", "p") == 3


async def test_producers_count_for_themselves(log: EventLog) -> None:
    """The same sequence number of another producer, or on another stream, is another message."""
    await log.append("s", [Message(b"1", seq=1)], producer="p")
    await log.append("s", [Message(b"2", seq=1)], producer="q")
    await log.append("t", [Message(b"3", seq=1)], producer="p")

    assert await log.count("s") == 2
    assert await log.count("t") == 1
    assert await log.last_seq("s", "nobody") is None


async def test_writers_of_several_connections_lose_nothing(log: EventLog, open_log: OpenLog) -> None:
    """Concurrent appends from two connections all arrive, each writer's in its own order."""

    async def write(target: EventLog, name: bytes) -> None:
        for number in range(40):
            await target.append("s", _messages(name + bytes([number])))

    async with open_log() as other:
        await asyncio.gather(write(log, b"a"), write(other, b"b"))

    bodies = [record.body for record in await log.read("s", limit=1000)]
    for name in (b"a", b"b"):
        assert [body[1] for body in bodies if body[:1] == name] == list(range(40))


async def test_what_was_appended_survives_reopening(open_log: OpenLog) -> None:
    """A new connection finds what an earlier one appended."""
    async with open_log() as log:
        await log.append("s", _messages(b"1"))

    async with open_log() as log:
        assert [record.body for record in await log.read("s")] == [b"1"]


async def test_counting_before_an_offset(log: EventLog) -> None:
    """``count`` before the end and from there on add up to all."""
    await log.append("s", _messages(b"1", b"2", b"3"))
    records = await log.read("s")

    assert await log.count("s", before=records[2].offset) == 2
    assert await log.count("s") == 3
