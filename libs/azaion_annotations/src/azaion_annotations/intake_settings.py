"""What a home's ingestor is set to, for those who have to know beforehand what it will take."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

from azaion_annotations.picture_limits import PictureLimits
from azaion_common.contracts.annotations.profiles import DEFAULT_PROFILE

_SERVICE = "ingestor"


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    """The settings that matter outside. Defaults where no ingestor is installed."""

    profile: str = DEFAULT_PROFILE
    limits: PictureLimits = field(default_factory=PictureLimits)

    @classmethod
    def of(cls, home: Path) -> IntakeSettings:
        """Those of ``home``; raises PermanentError ``settings_invalid``."""
        for point in entry_points(group="azaion.settings", name=_SERVICE):
            settings = point.load().load(home, _SERVICE)
            return cls(settings.profile, settings.picture_limits)
        return cls()
