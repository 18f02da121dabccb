"""Two processes of one service on a partitioned stream: faster together, and either can go."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from faulttest.figures import tell
from looptest.drawing import draw_folder
from looptest.program import Up, log_of, running, start_up, succeed, wait_until, write_settings
from PIL import Image
from testservers.locations import stream_location
from testservers.postgres import PrivatePostgres
from testservers.rabbitmq import PrivateRabbit

from azaion_common.contracts.events import datasets, images
from azaion_common.contracts.events.codec import decode
from azaion_common.platform.streams.rabbitmq import RabbitEventLog

PARTS = 4
PICTURES = 320
ROUNDS = 2
SIZE = (960, 720)
TAKEN_OVER_S = 15.0
FASTER = 1.6
pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]


@dataclass
class Site:
    """Servers, and two homes on them that share their blobs."""

    broker: PrivateRabbit
    first: Path
    second: Path
    pictures: Path
    imported: int = 0

    def take_in(self) -> None:
        """``PICTURES`` more, up to the stream that the augmentor reads."""
        folder = draw_folder(self.pictures / str(self.imported), PICTURES, seed=self.imported + 1)
        for picture in (folder / "images").iterdir():
            with Image.open(picture) as small:
                small.resize(SIZE).save(picture, quality=90)
        succeed("annotations", "import", folder, home=self.first)
        self.imported += PICTURES
        parts = [f"{images.STREAM}-{part}" for part in range(PARTS)]
        with running(self.first, "--only", "ingestor"):
            wait_until(lambda: sum(map(self.count, parts)) == self.imported, "pictures", 300)

    def count(self, stream: str) -> int:
        """Cheap, and seldom enough to leave the cores to those whose speed is measured."""

        async def end() -> int:
            async with RabbitEventLog.open(stream_location(self.broker, "/"), name="test") as log:
                return await log.end(stream)

        time.sleep(0.7)
        return asyncio.run(end())

    def records(self, stream: str) -> list[tuple[str, float]]:
        """Subject and time of every event."""

        async def read() -> list[tuple[str, float]]:
            async with RabbitEventLog.open(stream_location(self.broker, "/"), name="test") as log:
                found = await log.read(stream, limit=100_000)
                return [(decode(each.body).subject, each.appended_at.timestamp()) for each in found]

        return asyncio.run(read())

    def augmented(self) -> int:
        return self.count(datasets.STREAM)

    def work_off(self, *homes: Path) -> float:
        """Take a portion in and have a replica in each of ``homes`` augment it; pictures per second."""
        self.take_in()
        ups = start(*homes)
        wait_until(lambda: self.augmented() == self.imported, "portion", 300)
        assert [up.terminate() for up in ups] == [0] * len(ups)
        return self.rate()

    def rate(self) -> float:
        """Pictures per second of the newest portion, without its start, and without its end, when one part lasts longer."""
        times = sorted(at for _, at in self.records(datasets.STREAM)[-PICTURES:])
        first, last = PICTURES // 10, PICTURES * 8 // 10
        return (last - first) / (times[last] - times[first])


@pytest.fixture
def site(fresh_rabbitmq: PrivateRabbit, fresh_postgres: PrivatePostgres, tmp_path: Path) -> Site:
    platform = {
        "streams_url": fresh_rabbitmq.stream_url,
        "ledger_url": fresh_postgres.new_database(),
        "partitions": {images.STREAM: PARTS},
        "views": False,
    }
    first, second = tmp_path / "first", tmp_path / "second"
    (tmp_path / "blobs").mkdir()
    for home in (first, second):
        home.mkdir()
        write_settings(home, {"platform": platform, "augmentor": {"workers": 1}})
        (home / "blobs").symlink_to(tmp_path / "blobs")
    return Site(fresh_rabbitmq, first, second, tmp_path / "pictures")


def start(*homes: Path) -> list[Up]:
    ups = [start_up(home, "--only", "augmentor") for home in homes]
    for up in ups:
        wait_until(lambda up=up: up.ready or not up.alive, "start", 60)  # type: ignore[misc]
        assert up.alive
    return ups


def taken_at(home: Path) -> list[float]:
    """When the process of ``home`` took parts over."""
    lines = [json.loads(line) for line in log_of(home) if line.startswith("{")]
    return [
        datetime.fromisoformat(each["timestamp"]).timestamp()
        for each in lines
        if each["event"] == "partition.taken"
    ]


def test_two_replicas_share_the_work_and_either_can_go(site: Site) -> None:
    """Two are faster than one; when one is killed, the other has its parts within seconds and nothing is lost or twice."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for homes in ((site.first,), (site.first, site.second)):
            rates[len(homes)].append(site.work_off(*homes))
    alone, together = (statistics.median(rates[replicas]) for replicas in (1, 2))

    before = site.imported
    site.take_in()
    first, second = start(site.first, site.second)
    wait_until(lambda: site.augmented() > before + PICTURES // 4, "a quarter of the last portion", 300)
    killed = time.time()
    first.kill()
    wait_until(lambda: site.augmented() >= site.imported, "last portion", 300)
    waits = [at - killed for at in taken_at(site.second) if at > killed]
    assert second.terminate() == 0

    assert not [
        line for home in (site.first, site.second) for line in log_of(home) if "never retrieved" in line
    ]
    times = Counter(subject for subject, _ in site.records(datasets.STREAM))
    tell(
        f"{alone:.1f} pictures/s alone, {together:.1f} together ({together / alone:.2f}x);"
        f" taken over after {max(waits):.1f} s; {len(times)} pictures, {site.imported - len(times)} lost"
    )
    assert len(waits) == PARTS // 2
    assert max(waits) <= TAKEN_OVER_S
    assert len(times) == site.imported
    assert set(times.values()) == {1}
    assert together / alone >= FASTER
