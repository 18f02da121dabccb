"""What ends the child, and what does not."""

from __future__ import annotations

import signal
import sys

import pytest

pytest.importorskip("torch")

from conftest import Start

WITH_WORKERS = """
import time
from azaion_ultralytics.lifeline import read_job_line, stop_on_signals, take_stdout
channel = take_stdout()
stop_on_signals(channel)
read_job_line()
from torch.utils.data import DataLoader
for _ in range(2):
    numbers = [int(number) for number in DataLoader(range(4), num_workers=2)]
    time.sleep(0.3)
channel.emit("result", numbers=numbers)
time.sleep(60)
"""


def test_the_end_of_a_data_loader_is_no_reason_to_stop(start: Start) -> None:
    """Workers of torch's data loader come and go, which the parent gets signals of; SIGTERM still stops it."""
    child = start({}, command=[sys.executable, "-c", WITH_WORKERS])

    assert child.until("result")["numbers"] == [0, 1, 2, 3]
    child.process.send_signal(signal.SIGTERM)
    code, lines = child.finish()

    assert (code, [line["code"] for line in lines]) == (1, ["interrupted"])
