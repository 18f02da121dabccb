"""For every test: Hypothesis without a deadline, and structlog with its defaults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """A command that runs in this process sets a log level, which would hide lines from the next test."""
    yield
    structlog.reset_defaults()
