"""Streams that another platform made: with its own limits, and perhaps only for us to read."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from rstream import AMQPMessage
from testservers.broker_source import BrokerSource
from testservers.given import GivenRabbit
from testservers.locations import plain_producer
from testservers.rabbitmq import PrivateRabbit

from azaion_common.core.errors import SetupError
from azaion_common.platform.streams import Message
from azaion_common.platform.streams.partitions import Partitioning
from azaion_common.platform.streams.rabbitmq import RabbitEventLog, StreamsLocation
from azaion_common.platform.streams.rabbitmq.topology import Retention

LIMITS = {"max-length-bytes": "1000000000", "stream-max-segment-size-bytes": "50000000"}
pytestmark = pytest.mark.timeout(60)


async def test_a_stream_with_other_limits_is_used_as_it_is(location: StreamsLocation) -> None:
    """Limits are of who makes a stream: ours differ, and we read and write it all the same."""
    async with plain_producer(location) as client:
        await client.create_stream("theirs", arguments=LIMITS)
        await client.send_wait("theirs", AMQPMessage(body=b"from them"))

    async with RabbitEventLog.open(location, name="test") as log:
        first = await anext(log.follow("theirs"))
        await log.append("theirs", [Message(b"from us", seq=1)], producer="p")
        records = await log.read("theirs")

    assert [each.body for each in first] == [b"from them"]
    assert [each.body for each in records] == [b"from them", b"from us"]


async def test_a_partitioned_stream_keeps_the_limits_it_has(location: StreamsLocation) -> None:
    """The same of a super stream, as long as it has as many parts as the settings say."""
    parts, limits = Partitioning({"whole": 2}), Retention(max_bytes={"whole": 1_000_000_000})
    async with RabbitEventLog.open(location, name="one", partitioning=parts, retention=limits) as log:
        await log.append("whole-0", [Message(b"limited")])

    async with RabbitEventLog.open(location, name="other", partitioning=parts) as log:
        await log.append("whole-0", [Message(b"without limits")])
        records = await log.read("whole-0")

    assert [each.body for each in records] == [b"limited", b"without limits"]


async def test_a_stream_that_we_may_only_read_is_read(
    rabbitmq: PrivateRabbit | GivenRabbit, location: StreamsLocation
) -> None:
    """A user without the right to make streams reads those that are there, and is told about one that is not."""
    if isinstance(rabbitmq, GivenRabbit):
        pytest.skip("users are made through the management API of a broker of our own")
    name, password = f"reader{secrets.token_hex(4)}", secrets.token_hex(8)
    rabbitmq.manage("PUT", f"/users/{name}", {"password": password, "tags": ""})
    rights = {"configure": "", "write": "", "read": ".*"}
    rabbitmq.manage("PUT", f"/permissions/{location.vhost}/{name}", rights)
    async with RabbitEventLog.open(location, name="test") as log:
        await log.append("theirs", [Message(b"from them")])

    reader = replace(location, username=name, password=password)
    async with RabbitEventLog.open(reader, name="test") as log:
        records = await anext(log.follow("theirs"))
        with pytest.raises(SetupError) as caught:
            await anext(log.follow("missing"))
    rabbitmq.manage("DELETE", f"/users/{name}")

    assert [each.body for each in records] == [b"from them"]
    assert caught.value.code == "broker_denied"


async def test_a_broker_that_calls_itself_by_an_inner_name_is_used_by_its_outer_one(
    broker_source: BrokerSource,
) -> None:
    """A broker in a container announces a name that only its neighbours can resolve: from outside its streams are written
    and read all the same.
    """
    with PrivateRabbit(broker_source, extra_conf="stream.advertised_host = inner.invalid") as broker:
        async with RabbitEventLog.open(StreamsLocation.parse(broker.stream_url), name="outside") as log:
            await log.append("s", [Message(b"from outside", seq=1)], producer="p")
            first = await anext(log.follow("s"))

    assert [each.body for each in first] == [b"from outside"]
