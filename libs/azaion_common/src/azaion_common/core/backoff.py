"""Waiting times between tries: growing, capped, with jitter so that many waiters do not come back at once.

The formula is the "decorrelated jitter" of the AWS Architecture Blog: each pause is drawn between the base and
three times the one before.
"""

from __future__ import annotations

import random


class Backoff:
    """Pauses in seconds for one line of retries."""

    def __init__(self, base_s: float = 0.2, cap_s: float = 20.0) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._last_s = base_s

    def next(self) -> float:
        self._last_s = min(self._cap_s, random.uniform(self._base_s, self._last_s * 3))  # noqa: S311 - jitter
        return self._last_s

    def reset(self) -> None:
        self._last_s = self._base_s
