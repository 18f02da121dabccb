"""The stages of the demo as people see them: a bar each on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

STAGES = {
    "draw": "Draw pictures",
    "clip": "Draw a clip",
    "read": "Read pictures",
    "ingest": "Ingest",
    "augment": "Augment",
    "train": "Train",
    "export": "Export",
    "publish": "Seal, publish",
    "infer": "Infer",
    "report": "Report",
}
LINE_EVERY_S = 20.0
"""Without a terminal, a stage that takes longer than this says how far it is."""


class Stages:
    """Use as a context manager; ``update`` starts a stage by itself and finishes it when done reaches total."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._last_line = clock()
        self._latest = ""
        self._progress = Progress(
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}
        self._finished: set[str] = set()
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, stage: str, done: float, total: float, note: str = "") -> None:
        """Show how far ``stage`` is; ``note`` is what to say beside the bar."""
        if stage in self._finished:
            return
        if stage not in self._tasks:
            self._started[stage] = self._clock()
            self._tasks[stage] = self._progress.add_task(STAGES[stage], total=total, note=note)
        self._progress.update(self._tasks[stage], completed=done, total=total, note=note)
        if total and done >= total:
            self._finish(stage, note)
            return
        share = f"{100 * done / total:.0f} %" if done else "under way"
        self._latest = f"{STAGES[stage]}: {share}  {note}"
        self.beat()

    def beat(self) -> None:
        """Called now and then during long work: without a terminal, the latest news is told every 20 s."""
        if self._latest and self._clock() - self._last_line >= LINE_EVERY_S:
            self._say(self._latest)

    def tell(self, line: str) -> None:
        """A line that stays, on a terminal too."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def whole(self, stage: str) -> Iterator[None]:
        """A stage without counts: starts and ends with the block."""
        self.update(stage, 0, 1)
        yield
        self.update(stage, 1, 1)

    def _finish(self, stage: str, note: str) -> None:
        self._finished.add(stage)
        self._latest = ""
        self.seconds[stage] = self._clock() - self._started[stage]
        self._say(f"{STAGES[stage]}: done in {self.seconds[stage]:.1f} s  {note}")

    def _say(self, line: str) -> None:
        """A line for a log; a terminal has its bars."""
        self._last_line = self._clock()
        if not self._console.is_terminal:
            self._console.print(line.rstrip(), highlight=False)
