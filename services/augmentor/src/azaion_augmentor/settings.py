"""Settings of the augmentor: section ``augmentor:`` of azaion.yaml, or AZAION_AUGMENTOR__*."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from azaion_common.platform.runtime.settings import ServiceSettings, processors


class AugmentorSettings(ServiceSettings):
    """All have defaults that suit one machine."""

    model_config = SettingsConfigDict(env_prefix="AZAION_AUGMENTOR__")

    recipe_file: Path | None = None
    """The recipe; without one, the packaged ``recipe.yaml``."""
    seed: int = Field(default=0, ge=0)
    """Another seed gives other variants of the same recipe."""
    workers: int = Field(default_factory=processors, ge=1, le=256)
    """Worker processes; by default one per processor that this process may use."""
    worker_memory_bytes: int = Field(default=2 << 30, ge=64 << 20)
    """Memory of one worker, on top of what its libraries take: a picture that needs more is refused."""
    worker_timeout_s: float = Field(default=120.0, gt=0)
    """A worker that needs longer for one picture is replaced."""
