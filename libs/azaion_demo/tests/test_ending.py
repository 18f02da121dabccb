"""A demo ends with what it has started, however it is told to."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from azaion_demo.ending import ending_with_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_work_with_its_clean_up(number: signal.Signals) -> None:
    """Told to end, or with its terminal closed, it stops its services before it goes."""
    stopped = []

    async def demo() -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("services")

    with pytest.raises(SystemExit) as ended:
        asyncio.run(ending_with_signals(demo()))

    assert (stopped, ended.value.code) == (["services"], 128 + number)


def test_work_that_ends_by_itself_gives_its_result() -> None:
    """Nothing changes for a demo that nobody disturbs."""

    async def demo() -> int:
        return 7

    assert asyncio.run(ending_with_signals(demo())) == 7
