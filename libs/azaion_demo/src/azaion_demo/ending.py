"""A demo that is told to end takes its services with it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from azaion_common.core.deadline import Deadline

Result = TypeVar("Result")
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_FIRST_EXIT_CODE = 128
_GONE_S = 19.0
"""From the signal, whatever the demo's threads and its services are doing."""


async def ending_with_signals(work: Coroutine[Any, Any, Result], deadline: Deadline | None = None) -> Result:
    """The result of ``work``. SIGTERM and SIGHUP (a closed terminal) cancel it, so that it ends its children first;
    ``deadline`` begins then, for what does not end.

    Raises:
        SystemExit: 128 + the signal's number, as shells count, once ``work`` has ended.
    """
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    told: list[int] = []

    def end(number: int) -> None:
        told.append(number)
        if deadline is not None:
            deadline.exit_code = _FIRST_EXIT_CODE + number
            deadline.begin(_GONE_S)
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, end, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not told:
            raise
        raise SystemExit(_FIRST_EXIT_CODE + told[0]) from None
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
