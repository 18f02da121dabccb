"""Settings of the ingestor: section ``ingestor:`` of azaion.yaml, or AZAION_INGESTOR__*."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from azaion_annotations.picture_limits import PictureLimits
from azaion_common.platform.runtime.settings import ServiceSettings, processors

_LIMITS = PictureLimits()


class IngestorSettings(ServiceSettings):
    """All have defaults that suit one machine."""

    model_config = SettingsConfigDict(env_prefix="AZAION_INGESTOR__")

    profile: Literal["2024", "2025"] = "2024"
    """What the platform's status numbers mean; docs/wire-format.md has the table."""
    max_pixels: int = Field(default=_LIMITS.max_pixels, ge=1)
    """Pictures with more pixels are quarantined before any of them is decoded."""
    max_side: int = Field(default=_LIMITS.max_side, ge=1)
    """Pixels of a picture's longer side; longer ones are quarantined before they are decoded."""
    max_scans: int = Field(default=_LIMITS.max_scans, ge=1)
    """Scans of a JPEG: passes over the whole picture, of which encoders make 1 to 24."""
    max_parts: int = Field(default=_LIMITS.max_parts, ge=1)
    """Segments of a JPEG or chunks of a PNG."""
    max_picture_bytes: int = Field(default=_LIMITS.max_picture_bytes, ge=1)
    """Memory in bytes that decoding one picture may take. One that takes more than 64 MiB is decoded in a process of its
    own, one such picture at a time."""
    max_unpacking_ratio: int = Field(default=_LIMITS.max_unpacking_ratio, ge=1)
    """Unpacked bytes for each byte of a picture that unpacks to more than 64 MiB."""
    picture_timeout_s: int = Field(default=_LIMITS.timeout_s, ge=1, le=300)
    """Seconds of processor time for a picture that is decoded in a process of its own, and three times as many seconds
    on the clock; then the process is killed and the picture quarantined."""
    batch: int = Field(default=100, ge=1, le=1000)
    """Messages that are applied in one transaction."""
    prepare_concurrency: int = Field(default=64, ge=1, le=1000)
    """Messages that are on their way through check and store at the same time: those that are stored together share
    their syncs of the disk."""
    check_threads: int = Field(default_factory=processors, ge=1, le=256)
    """Pictures that are decoded at the same time; by default one per processor that this process may use."""

    @property
    def picture_limits(self) -> PictureLimits:
        """What a picture may ask of its decoder; the import checks by the same."""
        return PictureLimits(
            max_pixels=self.max_pixels,
            max_side=self.max_side,
            max_scans=self.max_scans,
            max_parts=self.max_parts,
            max_picture_bytes=self.max_picture_bytes,
            max_unpacking_ratio=self.max_unpacking_ratio,
            timeout_s=self.picture_timeout_s,
        )
