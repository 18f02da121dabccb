"""The errors a job can end with: a stable code, one clear line for people, and whether trying again can help."""

from __future__ import annotations

import errno
import re

ANSI_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
DISK_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT}


class ToolchainError(Exception):
    """Ends a job. ``code`` is part of the protocol, ``message`` is for people."""

    def __init__(self, code: str, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = one_line(message)
        self.transient = transient


def one_line(text: str) -> str:
    """Whatever a library says, as one printable line of at most 500 characters."""
    plain = ANSI_COLOURS.sub("", text).encode("ascii", "ignore").decode()
    return " ".join(plain.split())[:500]


def classify(error: BaseException) -> ToolchainError:
    """The protocol's error for any exception; `internal` when nothing better is known."""
    text = str(error)
    if isinstance(error, ToolchainError):
        return error
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        where = f" while writing {error.filename}" if error.filename else ""
        return ToolchainError("disk_full", f"no space left on the disk{where}", transient=True)
    if (
        isinstance(error, MemoryError)
        or "out of memory" in text.lower()
        or "not enough memory" in text.lower()
    ):
        return ToolchainError(
            "out_of_memory", f"out of memory: {text or 'allocation failed'}", transient=True
        )
    if "NaN persisted" in text or "corrupted with NaN" in text:
        return ToolchainError("diverged", f"the loss became NaN and did not recover: {text}")
    if "No labels found" in text:
        return ToolchainError("dataset_unreadable", f"no picture has a label: {text}")
    return ToolchainError("internal", f"{type(error).__name__}: {text}")
