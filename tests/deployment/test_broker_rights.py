"""Who may do what on a real RabbitMQ that has taken the accounts of `make secrets`: every account, everything, tried."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aio_pika
import make_secrets
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused
from pydantic import SecretStr
from rstream import exceptions, schema
from rstream.constants import OffsetType
from testservers.given import GivenRabbit
from testservers.rabbitmq import PrivateRabbit

from azaion_common.contracts.jobs import QUEUES
from azaion_common.core.errors import SetupError
from azaion_common.platform.jobs.rabbitmq.link import Link as JobsLink
from azaion_common.platform.jobs.rabbitmq.location import JobsLocation
from azaion_common.platform.jobs.rabbitmq.messages import encode
from azaion_common.platform.jobs.rabbitmq.putter import Putter
from azaion_common.platform.runtime.provisioning import provision
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.streams import Message
from azaion_common.platform.streams.partitions import Partitioning
from azaion_common.platform.streams.rabbitmq import RabbitEventLog, StreamsLocation
from azaion_common.platform.streams.rabbitmq.link import Link

pytestmark = pytest.mark.timeout(120)
PARTS = {"azaion.images": 2}
ANNOTATIONS, IMAGES, DATASETS, MODELS, DEVICES, LETTERS, ACKNOWLEDGEMENTS = STREAMS = (
    "azaion-annotations",
    "azaion.images-1",
    "azaion.datasets",
    "azaion.models",
    "azaion.devices",
    "azaion.dead-letters",
    "azaion.acknowledgements",
)
OF_SERVICES = {LETTERS, ACKNOWLEDGEMENTS}
WRITE = {
    "ingestor": {IMAGES} | OF_SERVICES,
    "augmentor": {DATASETS} | OF_SERVICES,
    "trainer": {DATASETS, MODELS} | OF_SERVICES,
    "exporter": {MODELS} | OF_SERVICES,
    "publisher": {MODELS} | OF_SERVICES,
    "api": set[str](),
    "device": {DEVICES},
    "device-roof": {DEVICES},
    "annotations": {ANNOTATIONS},
}
READ_ONLY = {
    "ingestor": {ANNOTATIONS},
    "augmentor": {IMAGES},
    "trainer": {IMAGES},
    "annotations": {IMAGES},
    "device": {MODELS, ACKNOWLEDGEMENTS},
    "device-roof": {MODELS, ACKNOWLEDGEMENTS},
}
OWN_QUEUE = {"trainer": "trainings", "exporter": "exports", "publisher": "publications"}
every_account = pytest.mark.parametrize("account", WRITE)


@dataclass(frozen=True)
class World:
    """A virtual host with everything that `azaion setup` makes, and every account's password."""

    broker: PrivateRabbit
    vhost: str
    passwords: dict[str, str]

    def streams(self, account: str) -> StreamsLocation:
        where = StreamsLocation.parse(self.broker.stream_url)
        return replace(where, username=account, password=self.passwords[account], vhost=self.vhost)

    def jobs_url(self, account: str) -> str:
        port = self.broker.ports["amqp"]
        return f"amqp://{account}:{self.passwords[account]}@127.0.0.1:{port}/{self.vhost}"

    @asynccontextmanager
    async def link(self, account: str) -> AsyncIterator[Link]:
        async with Link.connect(self.streams(account), name="test") as link:
            yield link


@pytest.fixture(scope="module")
def passwords(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], Path]:
    folder = tmp_path_factory.mktemp("secrets") / "made"
    make_secrets.main(folder, ("127.0.0.1",), ("roof",))
    names = {path.name for path in folder.glob("*streams_url")}
    urls = {name: (folder / name).read_text() for name in names}
    urls["kit"] = (folder / "devices/roof/secrets/streams_url").read_text()
    locations = [StreamsLocation.parse(url.replace("?ca=/run/secrets/ca", "")) for url in urls.values()]
    return {each.username: each.password for each in locations}, folder


@pytest.fixture
async def world(
    rabbitmq: PrivateRabbit | GivenRabbit, vhost: str, passwords: tuple[dict[str, str], Path]
) -> World:
    """As RabbitMQ is after it has read the definitions, and setup has run."""
    if isinstance(rabbitmq, GivenRabbit):
        pytest.skip("accounts are made on a broker of our own")
    known, folder = passwords
    definitions = (folder / "rabbitmq_definitions.json").read_text().replace('"/"', json.dumps(vhost))
    rabbitmq.manage("POST", "/definitions", json.loads(definitions))
    world = World(rabbitmq, vhost, known)
    operator = world.streams("azaion")
    settings = PlatformSettings(
        streams_url=SecretStr(
            f"rabbitmq-stream://azaion:{operator.password}@127.0.0.1:{operator.port}/{vhost}"
        ),
        jobs_url=SecretStr(world.jobs_url("azaion")),
        partitions=PARTS,
    )
    made = [each async for each in provision(settings)]
    assert made == [each async for each in provision(settings)]  # once more changes nothing
    return world


async def refused(what: Awaitable[object]) -> bool:
    try:
        await what
    except (exceptions.AccessRefused, ChannelAccessRefused):
        return True
    return False


def attempts(link: Link, stream: str) -> dict[str, Callable[[], Awaitable[object]]]:
    """What the protocol of streams can be asked for, each by its name."""
    first = schema.OffsetSpec.from_params(OffsetType.FIRST, None)
    return {
        "write": lambda: link.declare_publisher(stream, "test", 1),
        "read": lambda: link.subscribe(stream, 1, first, 1, {}),
        "create": lambda: link.create_stream(f"{stream}-9", {}),
        "delete": lambda: link.delete_stream(stream),
    }


async def granted(world: World, account: str) -> dict[str, set[str]]:
    """What an account turns out to be let do, stream by stream."""
    may: dict[str, set[str]] = {"write": set(), "read": set(), "create": set(), "delete": set()}
    for stream in STREAMS:
        async with world.link(account) as link:
            for right, attempt in attempts(link, stream).items():
                if not await refused(attempt()):
                    may[right].add(stream)
    return may


@every_account
async def test_streams(account: str, world: World) -> None:
    """Each account writes its own streams, reads those and its inputs, and makes and deletes none at all."""
    assert await granted(world, account) == {
        "write": WRITE[account],
        "read": WRITE[account] | READ_ONLY.get(account, set()),
        "create": set(),
        "delete": set(),
    }


@every_account
async def test_queues(account: str, world: World) -> None:
    """A worker puts jobs into its own queue and takes them from there; nobody reaches another's, or a stream, by the
    exchange that leads everywhere.
    """
    own = {f"azaion.jobs.{OWN_QUEUE[account]}"} if account in OWN_QUEUE else set()
    names = [f"azaion.jobs.{queue}" for queue in (*QUEUES, "dead")]
    may = {"put": set[str](), "take": set[str](), "anything else": set[str]()}
    connection = await aio_pika.connect(world.jobs_url(account))

    async def allowed(attempt: Callable[[AbstractChannel], Awaitable[object]]) -> bool:
        async with connection.channel(on_return_raises=True) as channel:
            return not await refused(attempt(channel))

    async with connection:
        for name in names:
            if await allowed(lambda channel, name=name: _put(channel, name, name)):  # type: ignore[misc]
                may["put"].add(name)
            if await allowed(lambda channel, name=name: _take(channel, name)):  # type: ignore[misc]
                may["take"].add(name)
            for attempt in (_delete, _declare, _bind):
                if await allowed(lambda channel, name=name, attempt=attempt: attempt(channel, name)):  # type: ignore[misc]
                    may["anything else"].add(name)
        for anything in (*names, MODELS, ANNOTATIONS):
            if await allowed(lambda channel, name=anything: _put(channel, "", name)):  # type: ignore[misc]
                may["anything else"].add(anything)

    assert may == {"put": own, "take": own, "anything else": set()}


async def _put(channel: AbstractChannel, exchange: str, key: str) -> None:
    where = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    await where.publish(aio_pika.Message(b"forged"), routing_key=key)


async def _take(channel: AbstractChannel, name: str) -> None:
    await (await channel.get_queue(name, ensure=False)).get(fail=False)


async def _delete(channel: AbstractChannel, name: str) -> None:
    await channel.queue_delete(name)


async def _declare(channel: AbstractChannel, name: str) -> None:
    await channel.declare_queue(f"{name}.more", durable=True, arguments={"x-queue-type": "quorum"})


async def _bind(channel: AbstractChannel, name: str) -> None:
    await (await channel.get_queue(name, ensure=False)).bind("amq.fanout")


async def test_services_work_with_these_rights(world: World) -> None:
    """Exactly-once writing, reading, acknowledging and jobs need no more than that."""
    parts = Partitioning(PARTS)
    async with (
        RabbitEventLog.open(world.streams("ingestor"), name="ingestor", partitioning=parts) as writer,
        RabbitEventLog.open(world.streams("augmentor"), name="augmentor", partitioning=parts) as reader,
    ):
        await writer.append(IMAGES, [Message(b"one", seq=1), Message(b"two", seq=2)], producer="ingestor.1")
        read = await anext(reader.follow(IMAGES))
        await reader.acknowledge(IMAGES, "augmentor", {"ingestor.1": 2})

        assert [each.body for each in read] == [b"one", b"two"]
        assert await writer.last_seq(IMAGES, "ingestor.1") == 2
        assert await writer.acknowledged(IMAGES, "ingestor.1") == {"augmentor": 2}

    async with JobsLink.open(JobsLocation.parse(world.jobs_url("trainer")), name="trainer") as link:
        putter = Putter(link)
        await putter.put("trainings", encode("1", "{}"))
        await putter.close()


async def test_a_device_reads_releases_and_reports(world: World) -> None:
    """What an inferencer does on the broker, with the account of its own folder; what it may not look at is told as that."""
    async with RabbitEventLog.open(world.streams("publisher"), name="publisher") as publisher:
        await publisher.append(MODELS, [Message(b"release", seq=1)], producer="publisher.1")

    async with RabbitEventLog.open(world.streams("device-roof"), name="device") as device:
        assert [each.body for each in await device.read(MODELS)] == [b"release"]
        await device.append(DEVICES, [Message(b"loaded", seq=1)], producer="device.1")
        assert await device.last_seq(DEVICES, "device.1") == 1
        assert await device.acknowledged(DEVICES, "device.1") == {}
        with pytest.raises(SetupError) as caught:
            await device.end(ANNOTATIONS)

    assert caught.value.code == "broker_denied"


async def test_a_queue_of_version_0_1_gets_its_exchange(world: World) -> None:
    """It was made without one; setup adds it, and the jobs that lie there stay."""
    name = f"azaion.jobs.{QUEUES[0]}"
    async with (
        await aio_pika.connect(world.jobs_url("azaion")) as connection,
        connection.channel() as channel,
    ):
        await channel.exchange_delete(name)
        await channel.default_exchange.publish(aio_pika.Message(b"old"), routing_key=name)
    settings = PlatformSettings(jobs_url=SecretStr(world.jobs_url("azaion")))

    assert [each async for each in provision(settings)] == [f"queue {queue}" for queue in QUEUES]

    async with JobsLink.open(JobsLocation.parse(world.jobs_url("trainer")), name="trainer") as link:
        putter = Putter(link)
        await putter.put(QUEUES[0], encode("1", "{}"))
        await putter.close()
    async with (
        await aio_pika.connect(world.jobs_url("trainer")) as connection,
        connection.channel() as channel,
    ):
        queue = await channel.get_queue(name, ensure=False)
        assert (await queue.get()).body == b"old"
