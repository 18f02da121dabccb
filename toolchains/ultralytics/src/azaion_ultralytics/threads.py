"""How many threads a training on the CPU uses: the cores that others leave free, looked at again with every batch.

Threads that compute one layer together wait for each other at its end. Where another program has one of their cores,
all of them wait for that one, hundreds of times per step: on two cores beside twelve running programs, two threads took
five times the CPU time and six times as long as one alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

STATISTICS, OWN_THREADS = Path("/proc/stat"), Path("/proc/self/task")
SHARE_OF_NEWEST = 0.2
FIRST_LOOKS, LOOK_AGAIN_S = 5, 0.05


def running_elsewhere() -> int | None:
    """Threads of other processes that run or want to, on the whole machine; None where nobody says.

    This process's own do not count: those that compute spin for a while after a layer, waiting for the next one, and
    would be taken for another program by the one that looks.
    """
    lines = STATISTICS.read_text().splitlines() if STATISTICS.is_file() else []
    everywhere = next((int(line.split()[1]) for line in lines if line.startswith("procs_running")), None)
    return None if everywhere is None else max(0, everywhere - _running_here())


def _running_here() -> int:
    """Threads of this process that run or want to, the one that asks among them."""
    running = 0
    for thread in OWN_THREADS.iterdir():
        with suppress(OSError):  # it has ended since
            running += (thread / "stat").read_text().rpartition(")")[2].split()[0] == "R"
    return max(1, running)


class FreeCores:
    """An average over the newest batches. ``cores`` are those that this process may use, ``machine`` all that there are."""

    def __init__(
        self,
        *,
        cores: int | None = None,
        machine: int | None = None,
        look: Callable[[], int | None] = running_elsewhere,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cores = cores or len(os.sched_getaffinity(0))
        self._machine = max(machine or os.cpu_count() or 1, self._cores)
        self._look = look
        self._others = 0.0
        looks = []
        for _ in range(FIRST_LOOKS):
            looks.append(self._others_now())
            wait(LOOK_AGAIN_S)
        self._others = sum(looks) / len(looks)

    def take_look(self) -> None:
        """To be called now and then: between two batches."""
        self._others += SHARE_OF_NEWEST * (self._others_now() - self._others)

    @property
    def threads(self) -> int:
        """At least one."""
        return max(1, min(self._cores, int(self._machine - self._others + 0.5)))

    def _others_now(self) -> float:
        return float(self._look() or 0)
