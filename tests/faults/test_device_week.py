"""A device that is put up, cut off and left alone for a week: no network, no server, the power gone again and again.

The device is the installed service itself. It is told of a release by a publisher, API, broker and store, once; from then
on it is in a network of its own with nothing but its camera, on a disk of its own, with the time of day moved by days between its
starts. A witness of its fsyncs knows what is safe; of the rest each power cut takes away the end, from a random byte on.
``make test-faults`` has the long form (seed and number of lives from ``AZAION_FAULTS_SEED`` and ``AZAION_FAULTS_KILLS``).

What durations are counted by is not moved: an hour without the camera is one by the time of day, and the device waits for seconds.
In ``test_detections.py`` it waits for hours.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from faulttest.camera import Camera
from faulttest.clock import HEARD_WITHIN_S, MovedClock
from faulttest.cut_off import cut_off
from faulttest.device import Device, Line, arrived_at, name
from faulttest.driver import seed_of_run
from faulttest.figures import tell
from faulttest.power_cut import records, tear
from faulttest.putting_up import put_up, releasing
from looptest.program import wait_until
from looptest.served import Servers
from looptest.small_disk import small_disk
from testservers.given import GivenPostgres, GivenRabbit, GivenS3
from testservers.postgres import PrivatePostgres
from testservers.rabbitmq import PrivateRabbit
from testservers.s3 import PrivateS3

Fault = Literal["none", "camera", "disk"]
_FAULTS: tuple[Fault, ...] = ("none", "camera", "disk")
_HOUR = timedelta(hours=1)
_WEEK = timedelta(days=7)
_LAST = timedelta(days=8)
_DISK_MIB = 24
_SAFE_WITHIN_S = 1.0
"""What is promised; the machine that tests run on is given as much again."""
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Life:
    """From a start, ``after`` the first one, to the next power cut, and what goes wrong between them."""

    after: timedelta
    fault: Fault = "none"


SHORT = (
    Life(timedelta(), "camera"),
    Life(timedelta(days=3), "disk"),
    Life(_WEEK),
    Life(_LAST),
)


@dataclass
class Week:
    """What happened so far."""

    device: Device
    camera: Camera
    chance: random.Random
    acknowledged: set[Line] = field(default_factory=set)
    starts_s: list[float] = field(default_factory=list)
    torn_bytes: int = 0

    def live(self, lives: Sequence[Life]) -> None:
        """Every life ends with a power cut, but the last, which ends in order."""
        began = self.device.clock.now()
        for life in lives:
            self.device.clock.move(max(began + life.after - self.device.clock.now(), timedelta()))
            self._start()
            self._go_wrong(life.fault)
            if life is not lives[-1]:
                self._cut_power()
        assert self.device.terminate() == 0

    def _start(self) -> None:
        started = time.monotonic()
        self.device.start()
        self._serves()
        self.starts_s.append(time.monotonic() - started)
        wait_until(
            lambda: self.device.has_said("releases.waiting"), "word of the missing network", _PATIENCE_S
        )

    def _serves(self) -> None:
        """There is a line of a frame that arrives from now on."""
        now = self.device.clock.now()
        wait_until(lambda: self.device.seen(now), "new line of detections", _PATIENCE_S)

    def _go_wrong(self, fault: Fault) -> None:
        match fault:
            case "camera":
                self.camera.take_away()
                wait_until(
                    lambda: self.device.has_said("source.lost"), "word of the lost camera", _PATIENCE_S
                )
                self.device.clock.move(_HOUR)
                time.sleep(HEARD_WITHIN_S)
                self.camera.bring()
                self._serves()
            case "disk":
                ballast = self.device.fill_disk()
                wait_until(
                    lambda: self.device.has_said("output.stopped"), "word of the full disk", _PATIENCE_S
                )
                time.sleep(self.chance.uniform(0, 2))
                ballast.unlink()
                self._serves()
            case "none":
                pass

    def _cut_power(self) -> None:
        seen = self.device.seen(self.device.clock.now() - _HOUR)
        time.sleep(2 * _SAFE_WITHIN_S + self.chance.uniform(0, 0.5))
        self.device.kill()
        acknowledged = set(self.device.acknowledged())
        assert seen
        assert set(seen) <= acknowledged, f"lines that are not safe after {2 * _SAFE_WITHIN_S:g} s"
        self.acknowledged |= acknowledged
        newest = max(self.device.results.glob("*.jsonl"))
        self.torn_bytes += tear(newest, self.device.synced().get(newest, 0), self.chance)


def survive(week: Week, lives: Sequence[Life]) -> None:
    week.live(lives)

    faults = Counter(life.fault for life in lives)
    found = Counter(map(name, records(week.device.results)))
    lost = [line for line in week.acknowledged if not found[line]]
    twice = [line for line, times in found.items() if times > 1]
    arrivals = sorted(map(arrived_at, found))
    tell(
        f"{len(lives)} starts in {(arrivals[-1] - arrivals[0]) / timedelta(days=1):.1f} days without network, "
        f"{len(lives) - 1} power cuts, camera away {faults['camera']} times, disk full {faults['disk']} times: "
        f"{len(week.acknowledged)} detections acknowledged, {len(lost)} of them lost, {len(twice)} lines twice, "
        f"{week.torn_bytes} bytes torn away; first line after "
        f"{', '.join(f'{seconds:.1f}' for seconds in week.starts_s)} s"
    )
    assert (lost, twice) == ([], [])
    assert arrivals[-1] - arrivals[0] >= _WEEK
    hours = [later - earlier for earlier, later in pairwise(arrivals) if _HOUR <= later - earlier < 2 * _HOUR]
    assert len(hours) == faults["camera"]


@pytest.fixture
def week(
    tmp_path: Path,
    rabbitmq: PrivateRabbit | GivenRabbit,
    vhost: str,
    postgres: PrivatePostgres | GivenPostgres,
    s3: PrivateS3 | GivenS3,
) -> Iterator[Week]:
    """A device whose power was cut as soon as it had a release; when it comes back there is only its camera."""
    servers = Servers.share(rabbitmq, vhost, postgres, s3)
    with ExitStack() as stack:
        inside = stack.enter_context(cut_off())
        home = stack.enter_context(small_disk(tmp_path / "device", mib=_DISK_MIB))
        camera = Camera(inside, tmp_path / "camera.log")
        stack.callback(camera.take_away)
        device = Device(home, MovedClock(tmp_path / "clock"), tmp_path)
        stack.callback(device.end)
        with releasing(tmp_path / "server", servers) as server:
            put_up(home, server, camera.url)
            device.start()
            wait_until(lambda: device.has_said("model.switched"), "release on the device", _PATIENCE_S)
            device.kill()
        camera.bring()
        device.inside = inside
        yield Week(device, camera, random.Random(seed_of_run()))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_week_without_network_costs_no_acknowledged_detection(week: Week) -> None:
    """Cut off from its first start on, started on days 0, 3, 7 and 8, the camera away for an hour, the disk full, the power
    cut: the device serves each time, and what was safe is in the files exactly once.
    """
    survive(week, SHORT)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_many_power_cuts_in_a_week_cost_no_acknowledged_detection(week: Week) -> None:
    """The same over 20 starts, with a fault drawn for each."""
    number = int(os.environ.get("AZAION_FAULTS_KILLS") or 20)  # noqa: TID251 - how a fault run is repeated
    apart = max(_LAST / (number - 1), 3 * _HOUR)
    survive(week, [Life(at * apart, week.chance.choice(_FAULTS)) for at in range(number)])
