"""Pictures drawn by the tests, and a child that is talked to the way the core does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[1] / "src"


class Child:
    """A running `python -m azaion_ultralytics`, its stdin held open."""

    def __init__(self, job: dict[str, Any] | str, *, command: list[str] | None = None, cache: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "XDG_CACHE_HOME": str(cache)}
        self.process = subprocess.Popen(
            command or [sys.executable, "-m", "azaion_ultralytics"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        assert self.process.stdin
        self.process.stdin.write((job if isinstance(job, str) else json.dumps(job)).encode() + b"\n")
        self.process.stdin.flush()

    def until(self, kind: str, **wanted: object) -> dict[str, Any]:
        """Read lines up to the first of this type (and with these fields)."""
        assert self.process.stdout
        for raw in self.process.stdout:
            line: dict[str, Any] = json.loads(raw)
            if line["type"] == kind and wanted.items() <= line.items():
                return line
        message = f"no {kind} line; stderr: {self.process.stderr.read().decode()[-2000:]}"  # type: ignore[union-attr]
        raise AssertionError(message)

    def finish(self) -> tuple[int, list[dict[str, Any]]]:
        """Exit code and every line that was not read yet."""
        assert self.process.stdout
        assert self.process.stderr
        lines = [json.loads(raw) for raw in self.process.stdout]
        self.process.stderr.read()
        return self.process.wait(timeout=20), lines

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()


Start = Callable[..., Child]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def start(cache: Path) -> Iterator[Start]:
    """Starts children and ends them after the test."""
    children: list[Child] = []

    def starter(job: dict[str, Any] | str, *, command: list[str] | None = None) -> Child:
        children.append(Child(job, command=command, cache=cache))
        return children[-1]

    yield starter
    for child in children:
        child.close()
