"""Requests that are tried again, within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from azaion_common.core.backoff import Backoff
from azaion_common.platform.storage.s3.budget import RetryBudget
from azaion_common.platform.storage.s3.deadline import Deadline
from azaion_common.platform.storage.s3.errors import FAILURES, Failure, failure_of
from azaion_common.platform.storage.s3.limits import Limits

Result = TypeVar("Result")
_log = structlog.get_logger(__name__)


class Calls:
    """All requests of one store go through this."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._budget = RetryBudget(share=limits.retry_share, in_hand=limits.retries_in_hand)
        self._slots = asyncio.Semaphore(limits.connections)

    async def run(self, request: Callable[[], Awaitable[Result]], deadline: Deadline) -> Result:
        """Make the ``request``, which must be harmless to repeat, until it succeeds or further tries make no sense.

        Raises:
            TransientError: ``store_unavailable``, ``disk_full``, ``blob_changed``.
            PermanentError: ``blob_missing``, ``bucket_missing``, ``store_denied``, ``store_untrusted``,
                ``store_refused``.
        """
        pauses = Backoff(self._limits.pause_s, self._limits.longest_pause_s)
        self._budget.earn()
        tries = 0
        while True:
            tries += 1
            try:
                async with self._slots, asyncio.timeout(self._limits.attempt_s):
                    return await request()
            except FAILURES as error:
                failure, cause = failure_of(error, deadline.doing), error
            pause_s = max(pauses.next(), min(failure.after_s, self._limits.longest_retry_after_s))
            if not self._may_try_again(failure, tries, pause_s, deadline):
                raise failure.error from cause
            _log.info("blobs.retry", doing=deadline.doing, tries=tries, error=failure.error.message)
            await asyncio.sleep(pause_s)

    def _may_try_again(self, failure: Failure, tries: int, pause_s: float, deadline: Deadline) -> bool:
        sensible = failure.again and tries < self._limits.tries and pause_s < deadline.remaining_s()
        return sensible and self._budget.spend()
