"""How many threads a training on the CPU uses: the cores that others leave free, looked at again with every batch.

Threads that compute one layer together wait for each other at its end. Where another program has one of their cores,
all of them wait for that one, hundreds of times per step: on two cores beside twelve running programs, two threads took
five times the CPU time and six times as long as one alone.

What others use is measured by the CPU time that the whole machine spent, less that of this process. The length of the
run queue would not do: it is a moment's, and the moments that a program looks at are not like the others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import NamedTuple

import psutil

SHORTEST_LOOK_S = 0.25
MEMORY_S = 5.0


class CpuTime(NamedTuple):
    """Seconds: on the clock, and of CPU on all cores, by everything and by this process."""

    at: float
    machine: float
    own: float


def cpu_time() -> CpuTime:
    """Stolen time is the machine's too: it is as much gone as what a program used."""
    spent = psutil.cpu_times()
    # Linux counts what a guest used under user and nice as well, and waiting for a disk as idle time.
    idle = spent.idle + sum(getattr(spent, name, 0.0) for name in ("iowait", "guest", "guest_nice"))
    return CpuTime(time.monotonic(), sum(spent) - idle, time.process_time())


class FreeCores:
    """An average over the newest seconds. ``cores`` are those that this process may use, ``machine`` all that there are."""

    def __init__(
        self,
        *,
        cores: int | None = None,
        machine: int | None = None,
        look: Callable[[], CpuTime] = cpu_time,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cores = cores or len(os.sched_getaffinity(0))
        self._machine = max(machine or os.cpu_count() or 1, self._cores)
        self._look = look
        self._before = look()
        wait(SHORTEST_LOOK_S)
        now = look()
        self._others = _used_by_others(self._before, now)
        self._before = now

    def take_look(self) -> None:
        """To be called now and then: between two batches."""
        now = self._look()
        seconds = now.at - self._before.at
        if seconds < SHORTEST_LOOK_S:  # the system counts in hundredths of a second
            return
        newest = _used_by_others(self._before, now)
        self._others += min(1.0, seconds / MEMORY_S) * (newest - self._others)
        self._before = now

    @property
    def threads(self) -> int:
        """At least one."""
        return max(1, min(self._cores, int(self._machine - self._others + 0.5)))


def _used_by_others(before: CpuTime, now: CpuTime) -> float:
    """In cores, on average."""
    others = (now.machine - before.machine) - (now.own - before.own)
    return max(0.0, others / max(now.at - before.at, 1e-6))
