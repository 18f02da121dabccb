"""Says which settings a training takes, and what is wrong with those that are given. Imports no torch."""

from __future__ import annotations

from typing import Any

from azaion_ultralytics.protocol import Channel, CheckJob
from azaion_ultralytics.settings import SETTINGS, architectures, problems


def check(job: CheckJob, channel: Channel) -> dict[str, Any]:
    """Every setting with what it takes, every architecture, and what is wrong with ``overrides``, by name."""
    return {
        "settings": {name: setting.takes() for name, setting in SETTINGS.items()},
        "architectures": architectures(),
        "problems": problems(job.overrides),
    }
