"""Retries that all calls of one store share, so that a server in trouble is not buried under them."""

from __future__ import annotations


class RetryBudget:
    """A bucket of tokens: every request adds a share of one, every retry takes one.

    A few calls that fail are retried as often as they like. When everything fails for long, requests grow by no more
    than ``share``.
    """

    def __init__(self, *, share: float, in_hand: int) -> None:
        self._share = share
        self._most = float(in_hand)
        self._tokens = self._most

    def earn(self) -> None:
        """A request is made for the first time."""
        self._tokens = min(self._most, self._tokens + self._share)

    def spend(self) -> bool:
        """Whether one more retry is affordable; it is paid for then."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
