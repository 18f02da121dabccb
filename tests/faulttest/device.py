"""An edge device as it is installed: the service on a home of its own, before a witness, with a clock that can be moved."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from looptest.small_disk import fill
from testservers.processes import end, start

from faulttest.clock import MovedClock
from faulttest.power_cut import Record, record, safe
from faulttest.witnessed import synced

_TESTS = Path(__file__).parents[1]
Line = tuple[str, int]
"""When its frame arrived, and the frame's number since the start: no other line has both."""


def name(found: Record) -> Line:
    return found["at"], found["frame"]


def arrived_at(line: Line) -> datetime:
    return datetime.fromisoformat(line[0])


@dataclass
class Device:
    """What it says and what is witnessed lies in ``beside``, which is none of its disk."""

    home: Path
    clock: MovedClock
    beside: Path
    inside: Sequence[str] = ()
    """What to put before its command."""
    _process: subprocess.Popen[bytes] | None = None
    _said_before: int = field(default=0)

    @property
    def results(self) -> Path:
        return self.home / "results"

    def start(self) -> None:
        self._said_before = len(self._everything_said())
        command = [
            *self.inside, sys.executable, "-m", "faulttest.witnessed", str(self._witness),
            str(self.clock.file), "up", "--only", "inferencer", "--home", str(self.home),
        ]  # fmt: skip
        self._process = start(command, self._log, folder=_TESTS)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def terminate(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)

    def end(self) -> None:
        """If it still runs."""
        if self._process is not None:
            end(self._process)

    def has_said(self, code: str) -> bool:
        """Since its last start."""
        return code in self._everything_said()[self._said_before :]

    def fill_disk(self) -> Path:
        return fill(self.home)

    def seen(self, since: datetime) -> list[Line]:
        """What a reader finds in the newest file of lines whose frames arrived ``since`` then."""
        files = sorted(self.results.glob("*.jsonl"))
        lines = files[-1].read_bytes().splitlines() if files else []
        return [line for line in map(name, filter(None, map(record, lines))) if arrived_at(line) >= since]

    def acknowledged(self) -> Iterator[Line]:
        """Every line that is safe from a power cut."""
        return map(name, safe(self.results, self.synced()))

    def synced(self) -> dict[Path, int]:
        return synced(self._witness)

    @property
    def _log(self) -> Path:
        return self.beside / "device.log"

    @property
    def _witness(self) -> Path:
        return self.beside / "synced.txt"

    def _everything_said(self) -> str:
        return self._log.read_text() if self._log.exists() else ""
