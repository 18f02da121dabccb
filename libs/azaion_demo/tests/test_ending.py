"""A demo ends with what it has started, however it is told to."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest

from azaion_demo.ending import ending_with_signals

DEMO = """
import asyncio
from azaion_demo.ending import ending_with_signals

async def demo():
    print("running", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        print("services stopped", flush=True)

asyncio.run(ending_with_signals(demo()))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_work_with_its_clean_up(number: signal.Signals) -> None:
    """Told to end, or with its terminal closed, it stops its services before it goes."""
    with subprocess.Popen([sys.executable, "-c", DEMO], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(number)

        assert process.stdout.read() == "services stopped\n"

    assert process.returncode == 128 + number


def test_work_that_ends_by_itself_gives_its_result() -> None:
    """Nothing changes for a demo that nobody disturbs."""

    async def demo() -> int:
        return 7

    assert asyncio.run(ending_with_signals(demo())) == 7


DEMO_WITH_A_DEADLINE = """
import asyncio, signal
from azaion_common.core.deadline import Deadline
from azaion_demo.ending import ending_with_signals

class Noted(Deadline):
    def begin(self, after_s):
        print(after_s, self.exit_code, flush=True)

async def demo():
    signal.raise_signal(signal.SIGTERM)
    await asyncio.Event().wait()

asyncio.run(ending_with_signals(demo(), Noted()))
"""


def test_the_demo_is_gone_in_time() -> None:
    """From the signal on its time is counted, for a thread or a service that does not end."""
    done = subprocess.run(
        [sys.executable, "-c", DEMO_WITH_A_DEADLINE], capture_output=True, text=True, check=False
    )
    seconds, exit_code = done.stdout.split()

    assert float(seconds) < 20
    assert int(exit_code) == done.returncode == 128 + signal.SIGTERM
