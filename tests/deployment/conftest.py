"""Prometheus, Alertmanager and their tools, for the tests of what stands in deploy/."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from testservers.prometheus import find_alertmanager, find_programs


@pytest.fixture(scope="session")
def prometheus_programs() -> Path:
    return find_programs(_say)


@pytest.fixture(scope="session")
def alertmanager_programs() -> Path:
    return find_alertmanager(_say)


def _say(line: str) -> None:
    sys.stderr.write(f"servers for tests: {line}\n")
