"""What a command that waits says where there is no terminal."""

from __future__ import annotations

import io

from rich.console import Console

from azaion_common.platform.cli.patience import Patience


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    """At once when something new is to be said, else after a while again: never silent, never a flood."""
    written, clock = io.StringIO(), [0.0]
    with Patience(Console(file=written), every_s=30, clock=lambda: clock[0]) as patience:
        for second in range(65):
            clock[0] = float(second)
            patience.say(f"epoch {second}", about="training")
        patience.say("measuring", about="measuring")

    assert written.getvalue().splitlines() == ["epoch 0", "epoch 30", "epoch 60", "measuring"]


def test_a_long_line_stays_one_line() -> None:
    """Whoever reads a log looks for lines."""
    written = io.StringIO()
    with Patience(Console(file=written, width=20)) as patience:
        patience.tell("a path that is longer than twenty characters [x]")

    assert written.getvalue() == "a path that is longer than twenty characters [x]\n"
