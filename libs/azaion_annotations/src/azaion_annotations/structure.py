"""What is known of a picture before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field

from azaion_common.core.errors import PermanentError


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A picture within all limits. Width and height are as coded."""

    media_type: str
    width: int
    height: int
    orientation: int
    """EXIF's, 1 to 8."""
    memory_bytes: int
    """That decoding takes, at the reduced scale of ``pictures.describe``."""
    is_costly: bool
    """Takes more memory or time than a thread may give."""
    pixels: bytes = field(repr=False)
    """The file without what makes no pixels."""


def truncated(data: bytes) -> PermanentError:
    """The refusal of a picture that is cut off."""
    return PermanentError("picture_truncated", f"the picture ends too early ({len(data)} bytes)")


def unreadable() -> PermanentError:
    """The refusal of what is no picture."""
    return PermanentError("picture_unreadable", "neither a JPEG nor a PNG that can be decoded")
