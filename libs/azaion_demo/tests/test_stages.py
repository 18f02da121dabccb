"""What a demo says where there is no terminal: in a log, in a pipe, in continuous integration."""

from __future__ import annotations

import io

from rich.console import Console

from azaion_demo.stages import LINE_EVERY_S, Stages


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_long_work_says_how_far_it_is_without_a_terminal() -> None:
    """A training of minutes writes a line every 20 s, not one at its end."""
    output, clock = io.StringIO(), Clock()
    with Stages(Console(file=output), clock) as stages:
        stages.update("train", 1, 10, "epoch 2 of 10")
        clock.now += LINE_EVERY_S
        stages.update("train", 2, 10, "epoch 3 of 10")

    assert output.getvalue() == "Train: 20 %  epoch 3 of 10\n"


def test_work_without_news_is_not_silent_either() -> None:
    """What cannot tell how far it is, is said to be under way, every 20 s and not more often."""
    output, clock = io.StringIO(), Clock()
    with Stages(Console(file=output), clock) as stages:
        stages.update("export", 0, 1)
        for _ in range(3):
            clock.now += LINE_EVERY_S - 5
            stages.beat()

    assert output.getvalue() == "Export: under way\n"


def test_a_finished_stage_is_told_once() -> None:
    """What is done is said when it is done, and not repeated while the next one has not begun."""
    output, clock = io.StringIO(), Clock()
    with Stages(Console(file=output), clock) as stages:
        stages.update("ingest", 5, 5, "5 pictures")
        clock.now += LINE_EVERY_S
        stages.beat()

    assert output.getvalue() == "Ingest: done in 0.0 s  5 pictures\n"
