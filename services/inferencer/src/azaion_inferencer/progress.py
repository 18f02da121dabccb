"""The progress bar, on a terminal only and on stderr: stdout belongs to the result."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from azaion_inferencer.pipeline import Outcome
from azaion_inferencer.ports import FrameSource


@contextmanager
def progress(frames: FrameSource) -> Iterator[Callable[[Outcome], None]]:
    """Give a function that moves the bar to where the run is."""
    columns = (
        SpinnerColumn(),
        TextColumn("infer"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames, {task.fields[rate]:.1f} inferred/s, {task.fields[found]} with detections"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
    with bar:
        task = bar.add_task("infer", total=frames.total, rate=0.0, found=0)

        def move(outcome: Outcome) -> None:
            elapsed_s = bar.tasks[task].elapsed or 0.0
            rate = outcome.ledger.inferred / elapsed_s if elapsed_s else 0.0
            bar.update(task, completed=outcome.ledger.read, rate=rate, found=outcome.with_detections)

        yield move
