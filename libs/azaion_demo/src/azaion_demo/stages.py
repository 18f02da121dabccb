"""The stages of the demo as people see them: a progress bar each on a terminal, a line each elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
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


class Stages:
    """Use as a context manager; ``update`` starts a stage by itself and finishes it when done reaches total."""

    def __init__(self, console: Console) -> None:
        self._console = console
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
            self._started[stage] = time.monotonic()
            self._tasks[stage] = self._progress.add_task(STAGES[stage], total=total, note=note)
        self._progress.update(self._tasks[stage], completed=done, total=total, note=note)
        if total and done >= total:
            self._finish(stage, note)

    @contextmanager
    def whole(self, stage: str) -> Iterator[None]:
        """A stage without counts: starts and ends with the block."""
        self.update(stage, 0, 1)
        yield
        self.update(stage, 1, 1)

    def _finish(self, stage: str, note: str) -> None:
        self._finished.add(stage)
        self.seconds[stage] = time.monotonic() - self._started[stage]
        if not self._console.is_terminal:
            self._console.print(
                f"{STAGES[stage]}: done in {self.seconds[stage]:.1f} s  {note}".rstrip(), highlight=False
            )
