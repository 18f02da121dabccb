"""Health of a process: alive (its loop turns) and ready (its parts can work)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

MAX_LOOP_LAG_S = 5.0
BEAT_S = 0.5


@dataclass
class Health:
    """Parts report what keeps them from working; the runtime beats the heart."""

    _problems: dict[str, str] = field(default_factory=dict)
    _beat_at: float = field(default_factory=time.monotonic)
    started: bool = False

    def problem(self, part: str, reason: str) -> None:
        """``part`` cannot work for now."""
        self._problems[part] = reason

    def well(self, part: str) -> None:
        """``part`` works (again)."""
        self._problems.pop(part, None)

    @property
    def problems(self) -> dict[str, str]:
        return dict(self._problems)

    @property
    def ready(self) -> bool:
        return self.started and not self._problems

    @property
    def alive(self) -> bool:
        """No dependency counts here: a restart would not mend one."""
        return time.monotonic() - self._beat_at < MAX_LOOP_LAG_S

    async def beat(self) -> None:
        """Run for ever; stops beating when the event loop is stuck."""
        while True:
            self._beat_at = time.monotonic()
            await asyncio.sleep(BEAT_S)
