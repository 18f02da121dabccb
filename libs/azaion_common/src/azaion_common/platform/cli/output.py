"""Where commands print: tables for people, one JSON object for machines."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path

from rich.console import Console

from azaion_common.core.errors import PermanentError

PIPE_WIDTH = 120
HAS_ANSWERED: ContextVar[bool] = ContextVar("HAS_ANSWERED", default=False)
"""Whether this program has printed its one JSON object; an error that follows is told on stderr alone."""


def prepare_streams() -> None:
    """Who closed stdout or stderr wants nothing of it; a file that the program opens must not take its place. A file's name
    that the encoding of stdout has no way to write is written out escaped, as Python does on stderr.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - as long as the program
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def lost_output() -> PermanentError | None:
    """The error that nothing can be written to stdout, by trying; what is left to be written there is let go then."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError as error:
        return _let_go(error)
    return None


def _let_go(error: OSError) -> PermanentError:
    # Else what is left in the buffer fails once more when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PermanentError("output_lost", f"stdout cannot be written to: {error.strerror}")


def stdout_console() -> Console:
    """The terminal; wide enough for whole names where the width is unknown (a pipe, a log)."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def print_json(facts: Mapping[str, object]) -> None:
    """The one JSON object that ``--json`` promises, on a line of stdout; what JSON does not know is written as text.

    Raises:
        BrokenPipeError: the reader has closed the pipe.
        PermanentError: ``output_lost``.
    """
    HAS_ANSWERED.set(True)
    try:
        sys.stdout.write(_as_json(facts) + "\n")
        sys.stdout.flush()
    except OSError as error:
        lost = _let_go(error)
        if isinstance(error, BrokenPipeError):
            raise
        raise lost from error


def _as_json(facts: Mapping[str, object]) -> str:
    """Names as they are; where stdout has no way to write one, with JSON's own escapes."""
    text = json.dumps(facts, ensure_ascii=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(facts, default=str)
    return text


def stderr_console() -> Console:
    """For what is told beside a result, as wide as ``stdout_console``."""
    return Console(stderr=True) if sys.stderr.isatty() else Console(stderr=True, width=PIPE_WIDTH)
