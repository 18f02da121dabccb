"""Settings of the ingestor: section ``ingestor:`` of azaion.yaml, or AZAION_INGESTOR__*."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from azaion_common.annotations.pictures import DEFAULT_MAX_PIXELS
from azaion_common.runtime.settings import ServiceSettings, processors


class IngestorSettings(ServiceSettings):
    """All have defaults that suit one machine."""

    model_config = SettingsConfigDict(env_prefix="AZAION_INGESTOR__")

    profile: Literal["2024", "2025"] = "2024"
    """What the platform's status numbers mean; docs/wire-format.md has the table."""
    max_pixels: int = Field(default=DEFAULT_MAX_PIXELS, ge=1)
    """Pictures with more pixels are quarantined before any of them is decoded."""
    batch: int = Field(default=100, ge=1, le=1000)
    """Messages that are applied in one transaction."""
    prepare_concurrency: int = Field(default=64, ge=1, le=1000)
    """Messages that are on their way through check and store at the same time: those that are stored together share
    their syncs of the disk."""
    check_threads: int = Field(default_factory=processors, ge=1, le=256)
    """Pictures that are decoded at the same time; by default one per processor that this process may use."""
