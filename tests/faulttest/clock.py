"""A wall clock that is wrong, for one process: it keeps changing its mind, or is moved from outside.

What counts durations is left alone.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import structlog
import time_machine

YEAR = timedelta(days=365)
ERRORS = (10 * YEAR, -10 * YEAR, timedelta(hours=1), timedelta(hours=-1), timedelta(0))
_PAUSE_S = (0.05, 0.6)
HEARD_WITHIN_S = 1.0
"""A process that follows a moved clock knows of it by then, on a busy machine too."""
_LOOK_S = 0.05
_log = structlog.get_logger(__name__)


def disturb(seed: int) -> None:
    """From now on the clock jumps among ``ERRORS``; the same jumps for the same seed."""
    Thread(target=_jump, args=(random.Random(seed),), name="clock", daemon=True).start()


def _jump(chance: random.Random) -> None:
    began, began_at = datetime.now(UTC), time.monotonic()
    while True:
        error = chance.choice(ERRORS)
        right = began + timedelta(seconds=time.monotonic() - began_at)
        moved = time_machine.travel(right + error, tick=True)
        moved.start()
        _log.info("clock.moved", error_s=error.total_seconds())
        time.sleep(chance.uniform(*_PAUSE_S))
        moved.stop()


@dataclass
class MovedClock:
    """The time of day of the processes that ``follow`` it, so far ahead of ours as ``file`` says."""

    file: Path

    def move(self, by: timedelta) -> None:
        following = self.file.with_suffix(".next")
        following.write_text(str((_ahead(self.file) + by).total_seconds()))
        following.replace(self.file)

    def now(self) -> datetime:
        return datetime.now(UTC) + _ahead(self.file)


def follow(file: Path) -> None:
    """From now on this process has the time of day of the ``MovedClock`` of ``file``."""
    ahead = _ahead(file)
    moved = time_machine.travel(datetime.now(UTC) + ahead, tick=True).start()

    def look() -> None:
        nonlocal ahead
        while True:
            time.sleep(_LOOK_S)
            before, ahead = ahead, _ahead(file)
            if ahead != before:
                moved.shift(ahead - before)

    Thread(target=look, name="clock", daemon=True).start()


def _ahead(file: Path) -> timedelta:
    return timedelta(seconds=float(file.read_text())) if file.exists() else timedelta()
