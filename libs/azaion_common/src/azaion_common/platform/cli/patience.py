"""What a command that waits says: a spinner on a terminal, a line now and then where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.status import Status

EVERY_S = 30.0


class Patience:
    """Use as a context manager, and ``say`` as often as you like."""

    def __init__(
        self, console: Console, *, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._status: Status | None = console.status("") if console.is_terminal else None
        self._every_s = every_s
        self._clock = clock
        self._said: tuple[str, float] | None = None

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def say(self, text: str, *, about: str = "") -> None:
        """Show ``text``. Without a terminal: at once when it is ``about`` something new, else after a while again."""
        if self._status:
            self._status.update(text)
            return
        now = self._clock()
        if self._said is None or self._said[0] != about or now - self._said[1] >= self._every_s:
            self._said = about, now
            self.tell(text)

    def tell(self, text: str) -> None:
        """A line that stays, on a terminal too."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
