"""For every test: properties are judged by what holds, never by the clock, and logs are set up by nobody who ran before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """A command that ran in this process has set a level, below which the next test would see nothing."""
    yield
    structlog.reset_defaults()
