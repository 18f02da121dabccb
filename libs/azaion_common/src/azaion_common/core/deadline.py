"""When a process has to be gone, whatever its threads and children are doing.

Python waits for its threads before it ends, and a thread that decodes, solves or waits for a dead disk cannot be
interrupted. So at the deadline nobody is waited for: what is durable is safe, and the rest is done again.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from collections.abc import Callable

import structlog

from azaion_common.core.lifeline import kill_children

HARD_AFTER_S = 1.0
"""Behind the deadline, for a thread that lets no other run: then a thread of C ends the process."""
_log = structlog.get_logger(__name__)


class Deadline:
    """Begins once. ``exit_code`` is that of a process which had to be ended: 0 when its services had ended in order."""

    def __init__(self, *, end: Callable[[int], object] = os._exit) -> None:
        self.exit_code = 1
        self._end = end
        self._begun = False
        self._cancelled = threading.Event()

    def begin(self, after_s: float) -> None:
        """End this process and its children ``after_s`` from now, unless it has ended by then."""
        if self._begun:
            return
        self._begun = True
        faulthandler.dump_traceback_later(after_s + HARD_AFTER_S, exit=True, file=sys.__stderr__ or 2)
        threading.Thread(target=self._wait, args=(after_s,), name="deadline", daemon=True).start()

    def cancel(self) -> None:
        """For who goes on living after ``run_services``, as tests do."""
        if self._begun:
            self._cancelled.set()
            faulthandler.cancel_dump_traceback_later()

    def _wait(self, after_s: float) -> None:
        if self._cancelled.wait(after_s):
            return
        left = [each.name for each in threading.enumerate() if not each.daemon]
        _log.error("process.abandoned", threads=left, seconds=after_s)
        kill_children()
        self._end(self.exit_code)
