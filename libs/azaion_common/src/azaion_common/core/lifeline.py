"""Ties between a process and its children, so that none outlives the other's end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int, *, told: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send ``told`` to this process when its parent dies, of ``kill -9`` too (Linux).

    "Parent" is the thread that started this process: whoever starts one from a thread that ends sooner ends it.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, told)
    if os.getppid() != parent_pid:  # it died before the line above
        os._exit(1)


def kill_children() -> None:
    """Kill the children of this process (Linux), with the whole group of each that leads one."""
    for pid in _children():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
            os.kill(pid, signal.SIGKILL)


def _children() -> Iterator[int]:
    for tasks in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that ends meanwhile
            yield from map(int, tasks.read_text(encoding="ascii").split())
