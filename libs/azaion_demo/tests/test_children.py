"""What a demo has started does not outlive it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import asyncio, subprocess, sys
from azaion_demo import children

async def main():
    child = await children._start("run", "ingestor", "--home", sys.argv[1], stdout=None, stderr=subprocess.DEVNULL)
    print(child.pid, flush=True)
    await child.wait()

asyncio.run(main())
"""


@pytest.mark.slow
def test_services_end_with_a_demo_that_is_killed(tmp_path: Path) -> None:
    """A demo that gets no chance to stop its services leaves none behind."""
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = Path("/proc", parent.stdout.readline().strip())
        until = time.monotonic() + 30
        while not (tmp_path / "run" / "ingestor.json").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        parent.kill()

    while child.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not child.exists()
