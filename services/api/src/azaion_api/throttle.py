"""Whether one more login attempt is allowed. Pure: the time is passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

_MAX_KEYS = 10_000


@dataclass
class Throttle:
    """At most so many attempts per key within ``window_s`` seconds, successful ones forgiven.

    An attempt is counted before its password is checked, so that many at once cannot slip through together.
    """

    window_s: float
    attempts: dict[str, deque[float]] = field(default_factory=dict)

    def admit(self, limits: Mapping[str, int], now: float) -> float | None:
        """Count an attempt under each key of ``limits`` (key -> most attempts).

        Returns:
            None when it is allowed, else the seconds until it would be; a refused attempt is not counted.
        """
        waits = [wait for key, limit in limits.items() if (wait := self._wait_s(key, limit, now)) is not None]
        if waits:
            return max(waits)
        self._make_room(now)
        for key in limits:
            self.attempts.setdefault(key, deque()).append(now)
        return None

    def forgive(self, limits: Mapping[str, int]) -> None:
        """Take one attempt back: it was the right password."""
        for key in limits:
            if self.attempts.get(key):
                self.attempts[key].pop()

    def _wait_s(self, key: str, limit: int, now: float) -> float | None:
        times = self.attempts.get(key)
        while times and times[0] <= now - self.window_s:
            times.popleft()
        if not times or len(times) < limit:
            return None
        return times[0] + self.window_s - now

    def _make_room(self, now: float) -> None:
        # Keys are made of what strangers send: forget the oldest rather than grow without end.
        if len(self.attempts) < _MAX_KEYS:
            return
        live = {
            key: times for key, times in self.attempts.items() if times and times[-1] > now - self.window_s
        }
        self.attempts = dict(list(live.items())[-_MAX_KEYS // 2 :])
