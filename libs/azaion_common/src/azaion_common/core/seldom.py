"""Saying the same thing seldom: an outage of days is a few lines of log, not one for each try."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

PERIOD_S = 600.0


class Seldom:
    """Says whether something is due to be said: when it is new, and then once per period."""

    def __init__(self, period_s: float = PERIOD_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._period_s = period_s
        self._clock = clock
        self._said: dict[Hashable, float] = {}

    def due(self, what: Hashable) -> bool:
        """True at the first time for ``what``, and when a period has gone by since the last True for it."""
        now, said = self._clock(), self._said.get(what)
        if said is not None and now - said < self._period_s:
            return False
        self._said[what] = now
        return True

    def over(self) -> None:
        """What was said is over: should it come again, it is new."""
        self._said.clear()
