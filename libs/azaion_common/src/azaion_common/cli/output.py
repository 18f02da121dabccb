"""Where commands print their tables."""

from __future__ import annotations

import sys

from rich.console import Console

PIPE_WIDTH = 120


def stdout_console() -> Console:
    """The terminal; wide enough for whole names where the width is unknown (a pipe, a log)."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)
