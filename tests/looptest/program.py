"""The program as users start it: ``azaion`` commands as child processes on a home."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml
from testservers.processes import free_port

PROGRAM = (sys.executable, "-m", "azaion_common.platform.cli.root")
MARK = "LOOPTEST_GENERATION"
"""In the environment of every process that a test starts, and so in that of its children, whoever adopts them."""
PATIENCE_S = 300.0
START_S = 60.0
TINY: Mapping[str, Mapping[str, Any]] = {
    "trainer": {
        "min_new_pictures": 0,
        "min_map50": 0,
        "imgsz": 64,
        "epochs": 2,
        "batch": 16,
        "device": "cpu",
        "threads": 1,
        "overrides": {"workers": 0},
    },
    "exporter": {"threads": 1},
}


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Poll until ``condition`` holds; a failed wait says ``what`` did not come."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, f"no {what} within {timeout_s:g} s"
        time.sleep(0.02)


def new_home(path: Path, settings: Mapping[str, Mapping[str, Any]] = TINY) -> Path:
    """A home with quick settings and an API port of its own."""
    path.mkdir(parents=True, exist_ok=True)
    write_settings(path, settings)
    return path


def write_settings(home: Path, settings: Mapping[str, Mapping[str, Any]]) -> None:
    platform = {"api_url": f"http://127.0.0.1:{free_port()}", **settings.get("platform", {})}
    sections = {name: dict(section) for name, section in settings.items()} | {"platform": platform}
    (home / "azaion.yaml").write_text(yaml.safe_dump(sections))


def azaion(
    *arguments: str | Path, home: Path, timeout_s: float = PATIENCE_S
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*PROGRAM, *map(str, arguments), "--home", str(home)],
        capture_output=True, text=True, timeout=timeout_s, check=False, env=_environment("command"),
    )  # fmt: skip


def succeed(*arguments: str | Path, home: Path) -> str:
    """Run a command that has to succeed; returns its stdout."""
    done = azaion(*arguments, home=home)
    assert done.returncode == 0, f"azaion {arguments} ended with {done.returncode}: {done.stderr}"
    return done.stdout


def refusal(done: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """The error line of a command that failed, without progress bars, and its code; there has to be exactly one."""
    assert done.returncode not in (0, None), done.stdout
    assert done.returncode > 0, f"killed by signal {-done.returncode}"
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    return lines[0], lines[0].rpartition("[")[2].rstrip("]")


def _environment(generation: str) -> dict[str, str]:
    return {**os.environ, MARK: generation, "COLUMNS": "200"}  # noqa: TID251 - handed on, not read


@dataclass
class Up:
    """A running ``azaion up``."""

    home: Path
    generation: str
    process: subprocess.Popen[bytes]
    before: Mapping[str, int]
    """Address files of the processes before it."""

    def kill(self) -> None:
        """As the kernel does when memory runs out: this process alone, at once."""
        self.process.kill()
        self.process.wait()

    def terminate(self, timeout_s: float = 30) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def ready(self) -> bool:
        """This generation has started its services: its address is in a file that is new."""
        return self.alive and _addresses(self.home) != self.before


def _addresses(home: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (home / "run").glob("*.json")}


def start_up(home: Path, *arguments: str) -> Up:
    """Start ``azaion up``; its log is appended to ``<home>.log``."""
    before, generation = _addresses(home), uuid4().hex
    with home.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen(
            [*PROGRAM, "up", "--home", str(home), *arguments],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(generation), start_new_session=True,
        )  # fmt: skip
    return Up(home, generation, process, before)


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[Up]:
    """``azaion up`` while the block runs; it has to end with 0 within 20 s of SIGTERM."""
    up = start_up(home, *arguments)
    try:
        wait_until(lambda: up.ready or not up.alive, "start of the services", START_S)
        assert up.alive, log_of(home)[-3:]
        yield up
        assert up.alive, log_of(home)[-3:]
        started = time.monotonic()
        assert up.terminate() == 0, log_of(home)[-3:]
        assert time.monotonic() - started < 20
    finally:
        if up.alive:
            up.kill()


def log_of(home: Path) -> list[str]:
    path = home.with_suffix(".log")
    return path.read_text().splitlines() if path.exists() else []


def survivors(generations: Sequence[str]) -> list[int]:
    """Processes that carry the mark of ``generations`` and are not zombies."""
    marks = {f"{MARK}={generation}".encode() for generation in generations}
    return [pid for pid, variables in _environments() if marks & set(variables)]


def _environments() -> Iterator[tuple[int, list[bytes]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if " Z " not in (folder / "stat").read_text().rpartition(")")[2][:4]:
                yield int(folder.name), (folder / "environ").read_bytes().split(b"\0")
