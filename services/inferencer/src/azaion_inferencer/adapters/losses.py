"""What could not be written while there was no room for it: counted, and told at once, now and then, and at the end."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from azaion_common.core.errors import AzaionError
from azaion_inferencer.ports import Tell

_TOLD_AGAIN_S = 60.0


class Losses:
    """Of one output. ``what`` names its parts: ``lines``, ``frames of the film``."""

    def __init__(self, what: str, tell: Tell, clock: Callable[[], float] = monotonic) -> None:
        self._what = what
        self._tell = tell
        self._clock = clock
        self._told_at: float | None = None
        self.count = 0

    def wait(self, error: AzaionError) -> None:
        """Nothing is lost, but nothing goes on."""
        self._say(f"{error}; waiting for room")

    def lose(self, error: AzaionError) -> None:
        """One part is lost."""
        self.count += 1
        self._say(f"{error}; inference goes on, {self.count} {self._what} dropped so far")

    def resume(self) -> None:
        """A part could be written."""
        if self._told_at is not None:
            self._told_at = None
            self._tell("output.resumed", f"there is room again; {self.count} {self._what} were dropped")

    def _say(self, sentence: str) -> None:
        if self._told_at is None or self._clock() - self._told_at >= _TOLD_AGAIN_S:
            self._told_at = self._clock()
            self._tell("output.stopped", sentence)
