"""The time that one call of the store may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azaion_common.core.errors import TransientError
from azaion_common.platform.storage.s3.errors import UNAVAILABLE
from azaion_common.platform.storage.s3.limits import Limits


class Deadline:
    """Made by ``deadline_for``."""

    def __init__(self, doing: str, timeout: asyncio.Timeout, limits: Limits) -> None:
        self.doing = doing
        """Completes "cannot …"."""
        self._timeout = timeout
        self._slowest_bytes_per_s = limits.slowest_bytes_per_s

    def allow(self, size_bytes: int) -> None:
        """That many bytes have to be carried: give the time that they take."""
        when = self._timeout.when()
        if when is not None:
            self._timeout.reschedule(when + size_bytes / self._slowest_bytes_per_s)

    def remaining_s(self) -> float:
        when = self._timeout.when()
        return float("inf") if when is None else when - asyncio.get_running_loop().time()


@asynccontextmanager
async def deadline_for(doing: str, limits: Limits) -> AsyncIterator[Deadline]:
    """End the block when its time is up.

    Raises:
        TransientError: ``store_unavailable``.
    """
    try:
        async with asyncio.timeout(limits.deadline_s) as timeout:
            yield Deadline(doing, timeout, limits)
    except TimeoutError as error:
        raise TransientError(UNAVAILABLE, f"cannot {doing}: it took too long") from error
