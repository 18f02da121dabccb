"""How far work on many pictures is: a bar for each stage on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY_S = 10.0


class StageProgress(AbstractContextManager["StageProgress"]):
    """Use as a context manager; ``update`` is what the work calls, with one of ``stages``."""

    def __init__(
        self, stages: Sequence[str], console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._clock = clock
        self._last_line = clock()
        columns = (
            TextColumn("{task.description:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._tasks = {stage: self._progress.add_task(stage, total=None) for stage in stages}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, stage: str, done: int, total: int) -> None:
        """``stage`` is at ``done`` of ``total`` pictures."""
        self._progress.update(self._tasks[stage], completed=done, total=total)
        if not self._console.is_terminal and self._clock() - self._last_line >= LINE_EVERY_S:
            self._last_line = self._clock()
            self._console.print(f"{stage} {done} of {total} pictures", highlight=False)
