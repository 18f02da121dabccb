"""The event log on RabbitMQ Streams beside the bare client library, and the services over it.

``publish``: 1 KB events, numbered under a name and confirmed, in the windows of the outbox, against ``rstream``'s ``send_batch`` with
a confirm callback. ``consume``: the same events from offset 0, against an ``rstream`` consumer with its AMQP decoder.
``ingest``: annotation messages through the ingestor, against an ``rstream`` consumer that writes picture, label and offset
file per message with the same promise for each file (temporary file, fsync, rename, fsync of the folder), and against
the least work that there is (``least_work.py``): ``largest_ratio`` is the most to hope for. ``latency``: from the broker's
time of ``image.saved`` to that of ``batch.augmented``, with one picture every 150 ms. Rounds are interleaved, figures are
medians; RabbitMQ and its disk are shared by all.

``--flush-ms`` has every sync of the disk take longer than on this machine.

    python benchmarks/streams.py [publish consume ingest latency] [--events 20000] [--messages 1200] [--rounds 5]
        [--flush-ms 0] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

sys.path += [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parent)]

from ingest import SIZES, handle, make_messages
from least_work import least_seconds
from pydantic import SecretStr
from rstream import (
    AMQPMessage,
    Consumer,
    ConsumerOffsetSpecification,
    OffsetType,
    Producer,
    amqp_decoder,
)
from slow_disk import slow_down
from testservers.broker_source import BrokerSource, find_source
from testservers.rabbitmq import PrivateRabbit

from azaion_augmentor.app import SERVICE as AUGMENTOR
from azaion_common.contracts.annotations.wire import STREAM
from azaion_common.contracts.events import datasets, images
from azaion_common.contracts.events.codec import decode
from azaion_common.core.logging import configure_logging
from azaion_common.platform.ledger.relay import WINDOW
from azaion_common.platform.runtime.platform import Platform, open_platform
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.streams import Message, Record
from azaion_common.platform.streams.rabbitmq import RabbitEventLog, StreamsLocation
from azaion_ingestor.app import SERVICE as INGESTOR

EVENT_BYTES = 1000
PAUSE_S = 0.15
TRANSPORT = {"publish", "consume"}
BUDGETS = {"publish": 0.7, "consume": 0.7, "ingest": 3.0, "latency": 2.0}

Results = dict[str, dict[str, float]]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Broker:
    """Where it is; every run takes streams of its own."""

    url: str

    @property
    def plain(self) -> dict[str, Any]:
        parts = urlsplit(self.url)
        return {"host": parts.hostname, "port": parts.port, "username": "guest", "password": "guest"}

    @asynccontextmanager
    async def log(self) -> AsyncIterator[RabbitEventLog]:
        async with RabbitEventLog.open(StreamsLocation.parse(self.url), name="benchmark") as log:
            yield log

    @asynccontextmanager
    async def platform(self, folder: Path) -> AsyncIterator[Platform]:
        """Streams on the broker, blobs and ledgers in ``folder``, nothing shown as files."""
        settings = PlatformSettings.load(folder, "platform")
        chosen = settings.model_copy(update={"streams_url": SecretStr(self.url), "views": False})
        async with open_platform(folder, chosen) as platform:
            yield platform


def events(count: int) -> list[Message]:
    return [Message(bytes([number % 256]) * EVENT_BYTES, seq=number + 1) for number in range(count)]


async def our_publish(broker: Broker, stream: str, messages: Sequence[Message]) -> float:
    async with broker.log() as log:
        await log.append(stream, [Message(b"first", seq=1)], producer="warm")
        started = time.perf_counter()
        for first in range(0, len(messages), WINDOW):
            await log.append(stream, messages[first : first + WINDOW], producer="p")
        return time.perf_counter() - started


async def bare_publish(broker: Broker, stream: str, messages: Sequence[Message]) -> float:
    confirmed, done = 0, asyncio.Event()

    async def on_confirm(_status: object) -> None:
        nonlocal confirmed
        confirmed += 1
        if confirmed == len(messages):
            done.set()

    async with Producer(**broker.plain) as producer:
        await producer.create_stream(stream)
        started = time.perf_counter()
        for first in range(0, len(messages), WINDOW):
            window = [AMQPMessage(body=message.body) for message in messages[first : first + WINDOW]]
            await producer.send_batch(stream, window, publisher_name="p", on_publish_confirm=on_confirm)
        await done.wait()
        return time.perf_counter() - started


async def our_consume(broker: Broker, stream: str, count: int) -> float:
    async with broker.log() as log:
        started, found = time.perf_counter(), 0
        async for batch in log.follow(stream):
            found += len(batch)
            if found >= count:
                return time.perf_counter() - started
    raise AssertionError


async def bare_consume(broker: Broker, stream: str, count: int) -> float:
    found, done = 0, asyncio.Event()

    async def keep(_message: AMQPMessage, _context: object) -> None:
        nonlocal found
        found += 1
        if found == count:
            done.set()

    return await _seconds_of_plain_consumer(broker, stream, keep, done)


async def _seconds_of_plain_consumer(
    broker: Broker, stream: str, callback: Callable[[AMQPMessage, Any], Awaitable[None]], done: asyncio.Event
) -> float:
    """From the subscription until the callback has set ``done``."""
    consumer = Consumer(**broker.plain)
    await consumer.start()
    started = time.perf_counter()
    first = ConsumerOffsetSpecification(OffsetType.FIRST)
    await consumer.subscribe(stream, callback, decoder=amqp_decoder, offset_specification=first)
    await done.wait()
    taken = time.perf_counter() - started
    await consumer.close()
    return taken


async def transport_round(broker: Broker, count: int) -> dict[str, float]:
    """Seconds of each, on streams of their own; both readers read the stream that the bare client wrote."""
    messages, ours, bare = events(count), f"ours-{uuid4().hex}", f"bare-{uuid4().hex}"
    return {
        "publish_ours": await our_publish(broker, ours, messages),
        "publish_plain": await bare_publish(broker, bare, messages),
        "consume_ours": await our_consume(broker, bare, count),
        "consume_plain": await bare_consume(broker, bare, count),
    }


async def our_ingest(broker: Broker, folder: Path, messages: Sequence[Message]) -> float:
    """Until every picture is stored and its event is confirmed by the broker."""
    async with broker.platform(folder) as platform:
        await platform.log.append(STREAM, messages)
        started, saved = time.perf_counter(), 0
        async with asyncio.TaskGroup() as group:
            group.create_task(INGESTOR.run(platform))
            async for batch in platform.log.follow(images.STREAM):
                saved += len(batch)
                if saved >= len(messages):
                    break
            taken = time.perf_counter() - started
            platform.stopping.set()
        return taken


async def plain_ingest(broker: Broker, folder: Path, messages: Sequence[Message]) -> float:
    """A callback that does everything for one message before it returns."""
    stream, done = f"plain-{uuid4().hex}", asyncio.Event()
    async with broker.log() as log:
        await log.append(stream, messages)
    for part in ("images", "labels"):
        (folder / "data" / part).mkdir(parents=True)

    async def store(message: AMQPMessage, context: Any) -> None:
        handle(
            folder, Record(stream, context.offset, bytes(message.body), {}, datetime.now(UTC)), check=False
        )
        if context.offset == len(messages) - 1:
            done.set()

    return await _seconds_of_plain_consumer(broker, stream, store, done)


async def least_ingest(broker: Broker, folder: Path, messages: Sequence[Message]) -> float:
    """The shortest time that can be hoped for on this machine."""
    stream = f"least-{uuid4().hex}"
    async with broker.log() as log:
        await log.append(stream, messages)
    return await least_seconds(bare_consume(broker, stream, len(messages)), folder, messages)


async def latency(broker: Broker, folder: Path, messages: Sequence[Message]) -> list[float]:
    """Seconds for each picture, while one comes every ``PAUSE_S``."""
    async with broker.platform(folder) as platform, asyncio.TaskGroup() as group:
        tasks = [group.create_task(service.run(platform)) for service in (INGESTOR, AUGMENTOR)]
        await asyncio.sleep(5)
        for message in messages:
            await platform.log.append(STREAM, [message])
            await asyncio.sleep(PAUSE_S)
        while await platform.log.count(datasets.STREAM) < len(messages):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        saved = await _times(platform, images.STREAM)
        augmented = await _times(platform, datasets.STREAM)
        platform.stopping.set()
        await asyncio.gather(*tasks)
    return [augmented[name] - saved[name] for name in augmented]


async def _times(platform: Platform, stream: str) -> dict[str, float]:
    records = await platform.log.read(stream, limit=100_000)
    return {decode(record.body).subject: record.appended_at.timestamp() for record in records}


async def measure(source: BrokerSource, folder: Path, options: argparse.Namespace) -> Results:
    """Median seconds and ratios of plain to ours (higher is better)."""
    results: Results = {}
    if TRANSPORT & set(options.what):
        results |= await _transport(source, options)
    if "ingest" in options.what:
        results |= await _ingest(source, folder, options)
    if "latency" in options.what:
        messages = make_messages(100, SIZES["480p"])
        waits = sorted(await _fresh(source, folder, lambda broker, home: latency(broker, home, messages)))
        p95_s = waits[int(len(waits) * 0.95)]
        results["latency"] = {"median_s": statistics.median(waits), "p95_s": p95_s}
    return results


async def _transport(source: BrokerSource, options: argparse.Namespace) -> Results:
    with PrivateRabbit(source) as server:
        broker = Broker(server.stream_url)
        rounds = [await transport_round(broker, options.events) for _ in range(options.rounds)]
    return {
        name: _figures(_median(rounds, f"{name}_ours"), _median(rounds, f"{name}_plain"), options.events)
        for name in sorted(TRANSPORT)
    }


async def _ingest(source: BrokerSource, folder: Path, options: argparse.Namespace) -> Results:
    results = {}
    for name, size in SIZES.items():
        messages = make_messages(options.messages, size)
        seconds = await _ingest_in_turns(source, folder, messages, options.rounds)
        figures = _figures(seconds["ours"], seconds["plain"], len(messages))
        results[f"ingest {name}"] = figures | {"largest_ratio": seconds["plain"] / seconds["least"]}
    return results


def _figures(ours_s: float, plain_s: float, count: int) -> dict[str, float]:
    return {"ours_s": ours_s, "plain_s": plain_s, "ratio": plain_s / ours_s, "per_s": count / ours_s}


def _median(rounds: Sequence[dict[str, float]], name: str) -> float:
    return statistics.median(each[name] for each in rounds)


async def _ingest_in_turns(
    source: BrokerSource, folder: Path, messages: Sequence[Message], rounds: int
) -> dict[str, float]:
    """Median seconds of ours, of the plain one, and of the least that there is to do."""
    contestants = {"ours": our_ingest, "plain": plain_ingest, "least": least_ingest}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            taken = await _fresh(source, folder, partial(run, messages=messages))
            seconds[name].append(taken)
    return {name: statistics.median(values) for name, values in seconds.items()}


async def _fresh(
    source: BrokerSource, folder: Path, run: Callable[[Broker, Path], Awaitable[Result]]
) -> Result:
    """On a broker and in a folder that nobody used before."""
    home = Path(tempfile.mkdtemp(dir=folder))
    with PrivateRabbit(source) as server:
        return await run(Broker(server.stream_url), home)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "what", nargs="*", default=list(BUDGETS), help="publish, consume, ingest, latency (default: all)"
    )
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--messages", type=int, default=1200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--flush-ms", type=float, default=0.0, help="added to every sync of the disk")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.what) - set(BUDGETS):
        parser.error(f"nothing is called {', '.join(sorted(unknown))}")
    slow_down(options.flush_ms)
    configure_logging("error")
    source = find_source(lambda line: print(line, file=sys.stderr))
    # Removed at the end only: for a minute after many files were deleted, ext4 is slow to make new ones.
    with tempfile.TemporaryDirectory() as folder:
        results = asyncio.run(measure(source, Path(folder), options))
    print(json.dumps(results) if options.json else _table(results))


def _table(results: Results) -> str:
    lines = []
    for name, row in results.items():
        budget = BUDGETS[name.partition(" ")[0]]
        figures = "  ".join(f"{key} {value:.3f}" for key, value in row.items())
        lines.append(f"{name:<12}  {figures}  (budget {budget:g})")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
