"""What a picture may ask of whoever decodes it. A refusal names the limit, so that its owner knows what to change."""

from __future__ import annotations

from dataclasses import dataclass

from azaion_common.core.errors import PermanentError

MIB = 1 << 20
ORDINARY_BYTES = 64 * MIB
"""Memory that a picture may take in a thread; beyond it, and where time is not bounded by size, a process decodes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLimits:
    """Limits that hold before any pixel is made, and for the one picture that is decoded in a process of its own."""

    max_pixels: int = 64_000_000
    max_side: int = 32_768
    """Pixels of the longer side."""
    max_scans: int = 50
    """Passes over the picture that a JPEG asks for; encoders make 1 to 24."""
    max_parts: int = 20_000
    """Segments of a JPEG or chunks of a PNG."""
    max_picture_bytes: int = 512 * MIB
    """Memory that decoding takes."""
    max_unpacking_ratio: int = 500
    """Unpacked bytes for each byte of a file that unpacks to more than 64 MiB."""
    timeout_s: int = 5
    """Processor time of the process that decodes an unusual picture; three times as much on the clock."""

    def check_size(self, width: int, height: int) -> None:
        """Raises PermanentError ``picture_too_large``."""
        if max(width, height) > self.max_side:
            raise too_large(f"{width} x {height} pixels", f"{self.max_side} on a side", "max_side")
        if width * height > self.max_pixels:
            raise too_large(f"{width} x {height} pixels", f"{self.max_pixels} in all", "max_pixels")

    def check_scans(self, scans: int) -> None:
        """Raises PermanentError ``picture_too_complex``."""
        if scans > self.max_scans:
            raise _too_complex(f"more than {self.max_scans} scans", "max_scans")

    def check_parts(self, parts: int) -> None:
        """Raises PermanentError ``picture_too_complex``."""
        if parts > self.max_parts:
            raise _too_complex(f"more than {self.max_parts} segments or chunks", "max_parts")

    def check_cost(self, memory_bytes: int, *, unpacked_bytes: int, size_bytes: int) -> None:
        """Raises PermanentError ``picture_too_large``."""
        if memory_bytes > self.max_picture_bytes:
            needs = f"pixels that take {memory_bytes} bytes to decode"
            raise too_large(needs, str(self.max_picture_bytes), "max_picture_bytes")
        if unpacked_bytes > ORDINARY_BYTES and unpacked_bytes > self.max_unpacking_ratio * size_bytes:
            what = f"{size_bytes} bytes that unpack to {unpacked_bytes}"
            raise too_large(what, f"{self.max_unpacking_ratio} times the size", "max_unpacking_ratio")


def too_large(what: str, limit: str, setting: str) -> PermanentError:
    """The refusal of a picture that has ``what`` where ``setting`` allows ``limit``."""
    return PermanentError(
        "picture_too_large",
        f"the picture has {what}; the limit is {limit}",
        hint=f"shrink the picture, or raise the setting {setting}",
    )


def _too_complex(what: str, setting: str) -> PermanentError:
    return PermanentError(
        "picture_too_complex",
        f"the picture has {what}",
        hint=f"store it anew with another program, or raise the setting {setting}",
    )
