"""The servers that tests run on: there when they are wanted, and gone without a trace afterwards."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from testservers.processes import answers


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder that other users may enter: PostgreSQL does not run as root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_servers_are_gone_when_they_are_told_to_end(temporary: Path) -> None:
    """All three answer once they say so; after a request to end there is no process, port or file of them."""
    environment = {
        **os.environ,  # noqa: TID251 - handed on
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "SERVERS_OF": str(temporary),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "testservers"], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("# ready"):
            break
    ports = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", "".join(said))}
    folder = Path(re.findall(r"# RabbitMQ's files: (.*)", "".join(said))[0])
    assert folder.exists()
    assert len(ports) == 5
    assert all(answers(port) for port in ports)
    assert _marked(temporary)

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)

    assert process.returncode == 0
    assert not any(answers(port) for port in ports)
    assert _marked(temporary) == []
    assert list(temporary.iterdir()) == []
    assert not folder.exists()


def _marked(folder: Path) -> list[str]:
    """Processes that inherited the mark of ours."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("SERVERS_OF") == str(folder):
                found.append(process.name())
        except psutil.Error:
            continue
    return found
