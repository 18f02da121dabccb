"""How properties are tested."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def test_no_property_is_judged_by_the_clock() -> None:
    """A busy machine makes nothing fail: an example has no deadline, and may be slow to draw."""
    assert settings.default is not None
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check
