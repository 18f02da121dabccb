"""What ends the child, and what does not."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

from conftest import Start

WITH_WORKERS = """
import multiprocessing, time
from azaion_ultralytics.lifeline import read_job_line, stop_on_signals, take_stdout
channel = take_stdout()
stop_on_signals(channel)
read_job_line()
from torch.utils.data import DataLoader
for _ in range(2):
    numbers = [int(number) for number in DataLoader(range(4), num_workers=2)]
    time.sleep(0.3)
loader = DataLoader(range(4), num_workers=2, persistent_workers=True)
list(loader)
workers = [worker.pid for worker in multiprocessing.active_children()]
channel.emit("result", numbers=numbers, workers=workers)
time.sleep(60)
"""


def test_the_end_of_a_data_loader_is_no_reason_to_stop(start: Start) -> None:
    """Workers of torch's data loader come and go, which the parent gets signals of; SIGTERM still stops it."""
    child = start({}, command=[sys.executable, "-c", WITH_WORKERS])

    assert child.until("result")["numbers"] == [0, 1, 2, 3]
    child.process.send_signal(signal.SIGTERM)
    code, lines = child.finish()

    assert (code, [line["code"] for line in lines]) == (1, ["interrupted"])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_the_trainer(start: Start, how: signal.Signals) -> None:
    """However it ends, the workers of its data loader end with it: they would hold the memory of its GPU."""
    child = start({}, command=[sys.executable, "-c", WITH_WORKERS])
    workers = child.until("result")["workers"]
    assert len(workers) == 2

    deadline = time.monotonic() + 2
    child.process.send_signal(how)
    child.finish()

    while any(map(runs, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert time.monotonic() < deadline


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
