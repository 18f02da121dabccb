"""Streams and queues over TLS: the broker's certificate is verified, always."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from testservers.broker_source import BrokerSource
from testservers.certificates import make_certificate
from testservers.processes import LOOPBACK, free_port
from testservers.rabbitmq import PrivateRabbit

from azaion_common.core.errors import SetupError, TransientError
from azaion_common.platform.jobs.rabbitmq import RabbitJobQueue
from azaion_common.platform.streams import Message
from azaion_common.platform.streams.rabbitmq import RabbitEventLog, StreamsLocation

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True)
class TlsBroker:
    """Addresses without options, and the certificate to trust."""

    jobs: str
    streams: str
    authority: Path


@pytest.fixture(scope="module")
def broker(broker_source: BrokerSource) -> Iterator[TlsBroker]:
    jobs, streams = free_port(), free_port()
    server = PrivateRabbit(broker_source)
    make_certificate(server.folder)
    inner = Path("/") / server.folder.relative_to(broker_source.root)
    server._extra_conf = "\n".join((
        f"listeners.ssl.1 = {LOOPBACK}:{jobs}",
        f"stream.listeners.ssl.1 = {LOOPBACK}:{streams}",
        f"stream.advertised_tls_host = {LOOPBACK}",
        f"stream.advertised_tls_port = {streams}",
        f"ssl_options.cacertfile = {inner}/ca.pem",
        f"ssl_options.certfile = {inner}/ca.pem",
        f"ssl_options.keyfile = {inner}/key.pem",
        "ssl_options.verify = verify_none",
    ))  # fmt: skip
    login = f"guest:guest@{LOOPBACK}"
    with server:
        yield TlsBroker(
            f"amqps://{login}:{jobs}/", f"rabbitmq-stream+tls://{login}:{streams}/", server.folder / "ca.pem"
        )


async def test_jobs_go_over_tls(broker: TlsBroker, jobs_ledger: str) -> None:
    """Jobs go to a broker whose authority is named, and not to one that anybody might be."""
    async with RabbitJobQueue.open(f"{broker.jobs}?ca={broker.authority}", jobs_ledger) as jobs:
        await jobs.put("q", "1", "one")
        assert (await asyncio.wait_for(jobs.take("q", "w", lease_s=30), 10)).job_id == "1"

    async with RabbitJobQueue.open(broker.jobs, jobs_ledger) as jobs:
        with pytest.raises(SetupError) as caught:
            await jobs.put("q", "2", "two")
    assert caught.value.code == "broker_untrusted"


async def test_streams_go_over_tls(broker: TlsBroker) -> None:
    """Events too: written and read over the broker's advertised TLS address, which has to be its own."""
    trusted = StreamsLocation.parse(f"{broker.streams}?ca={broker.authority}")
    async with RabbitEventLog.open(trusted, name="test") as log:
        await log.append(
            "s", [Message(bytes([number]) * 200_000, seq=number + 1) for number in range(20)], producer="p"
        )
        records = await log.read("s", limit=100)

    assert [record.body[:1] for record in records] == [bytes([number]) for number in range(20)]

    async with RabbitEventLog.open(StreamsLocation.parse(broker.streams), name="test") as log:
        with pytest.raises(SetupError) as caught:
            await log.append("s", [Message(b"secret")])
    assert caught.value.code == "broker_untrusted"


async def test_a_plain_port_is_no_tls(broker: TlsBroker) -> None:
    """Who speaks without TLS to the TLS port gets nothing, and learns that there is no connection."""
    plain = StreamsLocation.parse(broker.streams.replace("+tls", ""))
    async with RabbitEventLog.open(plain, name="test") as log:
        with pytest.raises(TransientError) as caught:
            await log.count("s")
    assert caught.value.code == "streams_unavailable"
