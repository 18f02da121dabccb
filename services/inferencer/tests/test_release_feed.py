"""Following releases: none is missed, whenever it is announced, and the stream is not read twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from azaion_common.contracts.events import EpochMetrics, Event, ModelPublished, TrainingProgress, models
from azaion_common.contracts.events.codec import encode
from azaion_common.contracts.events.envelope import wrap
from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import AzaionError, PermanentError, SetupError, TransientError
from azaion_common.packages import signed, trusting, verified
from azaion_common.platform.streams import Record
from azaion_inferencer.adapters.release_feed import ReleaseFeed
from azaion_inferencer.announcements import NONE, START, Look, Mark, Place, Rules
from azaion_inferencer.current_model import Wanted, hear, keep_current
from azaion_inferencer.ports import Fetched

Releasing = Any
AT_ONCE = Backoff(base_s=0, cap_s=0)


@dataclass
class FakeLog:
    """One stream in memory. Before the answer to its n-th call ``at[n]`` is announced; ``before(n)`` may raise."""

    records: list[Record] = field(default_factory=list)
    before: Callable[[int], None] = lambda _: None
    at: dict[int, Event] = field(default_factory=dict)
    calls: int = 0
    offsets_read: list[int] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, event: Event) -> None:
        body = encode(wrap(event=event, subject="m", producer="p", epoch=1, seq=1, stream=models.STREAM))
        self.records.append(Record(models.STREAM, len(self.records), body, {}, datetime.now(UTC)))
        self.grown.set()

    async def read(self, stream: str, offset: int = 0, *, limit: int = 100) -> list[Record]:
        self._count()
        await asyncio.sleep(0)
        self.offsets_read += [record.offset for record in self.records[offset : offset + limit]]
        return self.records[offset : offset + limit]

    async def end(self, stream: str) -> int:
        self._count()
        return len(self.records)

    async def follow(
        self, stream: str, offset: int = 0, *, max_batch: int = 100, after: bytes | None = None
    ) -> AsyncIterator[list[Record]]:
        while True:
            self._count()
            self.grown.clear()
            if batch := self.records[offset : offset + max_batch]:
                self.offsets_read += [record.offset for record in batch]
                offset = batch[-1].offset + 1
                yield batch
            else:
                await self.grown.wait()

    def _count(self) -> None:
        self.calls += 1
        self.before(self.calls)
        if self.calls in self.at:
            self.add(self.at[self.calls])


@dataclass
class FakeDevice:
    """Fetches and switches by name; ``before(step)`` may announce, or raise what goes wrong."""

    before: Callable[[str], None] = lambda _: None
    serves: list[int] = field(default_factory=list)
    told: list[tuple[int, str]] = field(default_factory=list)
    served: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch(self, released: ModelPublished) -> Fetched:
        self.before(f"fetch {released.release}")
        for _ in range(5):  # whoever follows hears of it meanwhile
            await asyncio.sleep(0)
        return Fetched(b"", b"")

    async def switch(self, released: ModelPublished, _fetched: Fetched) -> None:
        self.before(f"warm {released.release}")
        for _ in range(5):
            await asyncio.sleep(0)
        self.serves.append(released.release)

    async def report(self, released: ModelPublished, error: AzaionError | None) -> None:
        self.told.append((released.release, error.code if error else "runs"))
        self.served.set()


@pytest.fixture
def rules(releasing: Releasing) -> Rules:
    keys = trusting([releasing.signer.public_key()])
    return Rules("onnx", lambda event: verified(event, keys), max_jump=1000)


@pytest.fixture
def make(releasing: Releasing) -> Callable[[int], ModelPublished]:
    return lambda number: signed(releasing.announced(number), releasing.signer)


def progress(number: int) -> TrainingProgress:
    epoch = EpochMetrics(epoch=number, epochs=1000, metrics={}, loss={}, seconds=1)
    return TrainingProgress(run_id="a" * 64, epoch=epoch)


async def run_until(
    device: FakeDevice, feed: ReleaseFeed, wanted_release: int, place: Place = START
) -> list[Place]:
    """Follow until the device serves a release; the places that were remembered."""
    wanted, places = Wanted(), list[Place]()
    tasks = [
        asyncio.create_task(hear(feed.follow(place), wanted, remember=places.append, report=device.report)),
        asyncio.create_task(
            keep_current(wanted, device, device.switch, serving=NONE, report=device.report, pauses=AT_ONCE)
        ),
    ]
    try:
        async with asyncio.timeout(10):
            while wanted_release not in device.serves:
                device.served.clear()
                await device.served.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return places


def feed_of(log: FakeLog, rules: Rules, floor: Mark = NONE) -> ReleaseFeed:
    store: Any = log
    return ReleaseFeed(store, rules, lambda: floor)


async def test_a_release_is_taken_whenever_it_is_announced(rules: Rules, make: Any) -> None:
    """Just before the answer to each call that a start makes to the log, one after the other: the newer release runs in the end."""
    quiet = FakeLog()
    quiet.add(make(1))
    await run_until(FakeDevice(), feed_of(quiet, rules), 1)
    assert quiet.calls >= 3

    for moment in range(1, quiet.calls + 1):
        log = FakeLog(at={moment: make(2)})
        log.add(make(1))
        device = FakeDevice()
        await run_until(device, feed_of(log, rules), 2)
        assert device.serves[-1] == 2


async def test_releases_that_come_while_another_is_made_ready_are_not_missed(rules: Rules, make: Any) -> None:
    """One came while the first was fetched, one while it was warmed: only the newest of them is taken up."""
    log = FakeLog()
    log.add(make(1))

    def announce(step: str) -> None:
        if step in ("fetch 1", "warm 1"):
            log.add(make(len(log.records) + 1))

    device = FakeDevice(before=announce)
    await run_until(device, feed_of(log, rules), 3)

    assert device.serves == [1, 3]


async def test_what_cannot_be_fetched_now_is_tried_until_it_can(rules: Rules, make: Any) -> None:
    """An outage of five tries costs nothing but time, and no word to the fleet."""
    log, left = FakeLog(), iter([TransientError("api_unavailable", "away")] * 5)
    log.add(make(1))

    def fail(step: str) -> None:
        for error in left:
            raise error

    device = FakeDevice(before=fail)
    await run_until(device, feed_of(log, rules), 1)

    assert device.told == [(1, "runs")]


async def test_a_device_that_is_set_up_wrongly_tells_so_and_goes_on_trying(rules: Rules, make: Any) -> None:
    """A refused account is not the release's fault: mended on the server, the release runs without a restart."""
    log, left = FakeLog(), iter([SetupError("login_refused", "no")] * 3)
    log.add(make(1))

    def fail(step: str) -> None:
        for error in left:
            raise error

    device = FakeDevice(before=fail)
    await run_until(device, feed_of(log, rules), 1)

    assert device.told == [(1, "login_refused"), (1, "runs")]


async def test_a_newer_release_does_not_wait_for_one_that_cannot_be_had(rules: Rules, make: Any) -> None:
    """The pause after a failure ends when something newer is announced."""
    log = FakeLog()
    log.add(make(1))

    def fail(step: str) -> None:
        if step == "fetch 1":
            log.add(make(2))
            raise TransientError("store_unavailable", "away")

    device = FakeDevice(before=fail)
    patient = Backoff(base_s=3600, cap_s=7200)
    wanted = Wanted()
    feed = feed_of(log, rules)
    async with asyncio.timeout(10):
        hearing = asyncio.create_task(
            hear(feed.follow(), wanted, remember=lambda _: None, report=device.report)
        )
        keeping = asyncio.create_task(
            keep_current(wanted, device, device.switch, serving=NONE, report=device.report, pauses=patient)
        )
        await device.served.wait()
    for task in (hearing, keeping):
        task.cancel()
    await asyncio.gather(hearing, keeping, return_exceptions=True)

    assert device.serves == [2]


async def test_a_broken_release_is_told_once_and_the_next_is_taken(rules: Rules, make: Any) -> None:
    """What does not run is not tried again and again."""
    log = FakeLog()
    log.add(make(1))

    def fail(step: str) -> None:
        if step == "warm 1":
            log.add(make(2))
            raise PermanentError("model_hangs", "no answer")

    device = FakeDevice(before=fail)
    await run_until(device, feed_of(log, rules), 2)

    assert device.told == [(1, "model_hangs"), (2, "runs")]


async def test_a_restart_reads_on_from_the_newest_announcement(rules: Rules, make: Any) -> None:
    """Of a stream with thousands of events before the release none is read again, and the release is found."""
    log = FakeLog()
    for number in range(2000):
        log.add(progress(number))
    log.add(make(1))
    log.add(progress(0))
    (place,) = await run_until(FakeDevice(), feed_of(log, rules), 1)
    log.offsets_read.clear()

    device = FakeDevice()
    await run_until(device, feed_of(log, rules), 1, place)

    assert min(log.offsets_read) == 1999  # the one before it, to see that it is the same stream
    assert len(log.offsets_read) <= 4


async def test_another_stream_is_read_from_its_beginning(rules: Rules, make: Any) -> None:
    """A place in a log that was made anew says nothing: what it holds now is read, and lower numbers are told."""
    old = FakeLog()
    for number in range(10):
        old.add(progress(number))
    old.add(make(5))
    look = await feed_of(old, rules).look()
    new = FakeLog()
    new.add(make(2))

    found = await feed_of(new, rules, Mark.of(make(5))).look(look.place)

    assert found.newest is None
    assert [refusal.error.code for refusal in found.refusals] == ["release_outdated"]


async def test_an_old_release_played_to_a_follower_is_told(rules: Rules, make: Any) -> None:
    """While a device follows, release 3 again after release 5 is refused with a word, and 5 stays."""
    log = FakeLog()
    log.add(make(3))
    log.add(make(5))
    looks = feed_of(log, rules).follow()

    first: Look = await anext(looks)
    log.add(make(3))
    second: Look = await anext(looks)

    assert first.newest is not None
    assert first.newest.release == 5
    assert (second.newest, [refusal.error.code for refusal in second.refusals]) == (
        None,
        ["release_outdated"],
    )


async def test_a_log_that_is_away_is_waited_for(
    rules: Rules, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look fails; following goes on once the log is back."""
    monkeypatch.setattr("azaion_inferencer.adapters.release_feed.Backoff", lambda **_: AT_ONCE)
    left = iter([TransientError("streams_unavailable", "away")] * 3)

    def fail(call: int) -> None:
        for error in left:
            raise error

    log = FakeLog(before=fail)
    log.add(make(1))
    device = FakeDevice()
    await run_until(device, feed_of(log, rules), 1)

    assert device.serves == [1]
