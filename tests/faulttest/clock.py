"""A wall clock that is wrong and keeps changing its mind, for one process. What counts durations is left alone."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from threading import Thread

import structlog
import time_machine

YEAR = timedelta(days=365)
ERRORS = (10 * YEAR, -10 * YEAR, timedelta(hours=1), timedelta(hours=-1), timedelta(0))
_PAUSE_S = (0.05, 0.6)
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
