"""Which answers of a server are worth another try, and when. Pure."""

from __future__ import annotations

from azaion_common.core.backoff import Backoff

MAX_TRIES = 6
MAX_RETRY_AFTER_S = 60.0
WORTH_RETRYING = frozenset({408, 425, 429, 500, 502, 503, 504})


class RetryBudget:
    """How long one call may go on being tried: so many times, and not beyond its deadline."""

    def __init__(self, started_s: float, deadline_s: float, backoff: Backoff | None = None) -> None:
        self._ends_s = started_s + deadline_s
        self._backoff = backoff or Backoff()
        self._tries = 1

    def pause_s(self, now_s: float, retry_after: str | None = None) -> float | None:
        """Seconds to wait before the next try; None when there is to be none.

        A server's ``Retry-After`` in seconds counts when it is longer than our own pause and at most a minute.
        """
        pause_s = max(self._backoff.next(), _seconds(retry_after))
        if self._tries >= MAX_TRIES or now_s + pause_s > self._ends_s:
            return None
        self._tries += 1
        return pause_s


def _seconds(retry_after: str | None) -> float:
    if retry_after is None or not retry_after.isascii() or not retry_after.isdecimal():
        return 0.0
    return min(float(retry_after[:9]), MAX_RETRY_AFTER_S)
