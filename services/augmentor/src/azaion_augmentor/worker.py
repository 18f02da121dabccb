"""A worker process: the limits it lives under, and the doors through which it is called.

A worker is expendable: it decodes pictures from strangers, so its memory is limited, it may be killed at any
instant, and it dies with its parent. The parent imports this module, so the heavy ones are imported inside.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from azaion_augmentor.tasks import Made, Task
from azaion_common.core.lifeline import die_with_parent


def start(parent_pid: int, memory_bytes: int) -> None:
    """Prepare this process: one thread, ``memory_bytes`` on top of what the libraries take, no life after the parent."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; stopping is the parent's decision
    die_with_parent(parent_pid)
    import cv2  # noqa: PLC0415

    from azaion_augmentor import copies  # noqa: F401, PLC0415 - loaded before memory is measured

    cv2.setNumThreads(1)
    if sys.platform == "linux":
        limit = _address_space_bytes() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def check(recipe_json: str) -> int:
    """The id of this process, once it has everything loaded that ``recipe_json`` asks for.

    Raises:
        PermanentError: ``recipe_invalid``.
    """
    from azaion_augmentor import copies  # noqa: PLC0415

    copies.tools(recipe_json)
    return os.getpid()


def multiply(task: Task) -> tuple[Made, ...]:
    """The original, then every variant of the recipe, in order.

    Raises:
        PermanentError: ``picture_undecodable``, ``picture_too_large``.
    """
    from azaion_augmentor import copies  # noqa: PLC0415

    return copies.multiply(task)


def _address_space_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
