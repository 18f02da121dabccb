"""The API as users run it, in a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from looptest.program import START_S, Up, log_of, new_home, start_up, wait_until

from attacktest.bystander import OK, QUESTION
from attacktest.raw import Address, ask


@dataclass(frozen=True)
class Target:
    """A running ``azaion up --only api``."""

    up: Up
    address: Address
    ops: Address

    def forget_peak(self) -> int:
        """Begin to measure the most memory anew; returns what is used now, in bytes."""
        Path(f"/proc/{self.up.process.pid}/clear_refs").write_text("5")
        return self._status("VmRSS")

    @property
    def peak_bytes(self) -> int:
        """The most memory since ``forget_peak``."""
        return self._status("VmHWM")

    @property
    def cpu_s(self) -> float:
        """Processor time that was used so far."""
        fields = Path(f"/proc/{self.up.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> float:
        """The seconds that SIGTERM takes."""
        started = time.monotonic()
        assert self.up.terminate() == 0
        return time.monotonic() - started

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.up.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"the kernel does not tell {name}")


@contextmanager
def target(home: Path) -> Iterator[Target]:
    """An API on a home of its own while the block runs."""
    new_home(home)
    up = start_up(home, "--only", "api")
    try:
        wait_until(lambda: up.ready or not up.alive, "start of the API", START_S)
        assert up.alive, log_of(home)[-3:]
        url = yaml.safe_load((home / "azaion.yaml").read_text())["platform"]["api_url"]
        ops = yaml.safe_load((home / "run" / "api.json").read_text())["url"]
        wait_until(lambda: _answers(_address(url)), "API", START_S)
        yield Target(up, _address(url), _address(ops))
    finally:
        if up.alive:
            up.terminate()


def _answers(address: Address) -> bool:
    with suppress(OSError):
        return ask(address, QUESTION).status == OK
    return False


def _address(url: str) -> Address:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 0)
