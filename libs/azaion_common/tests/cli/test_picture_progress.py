"""How far work on many pictures is, where nobody watches a bar."""

from __future__ import annotations

import io

from rich.console import Console

from azaion_common.platform.cli.picture_progress import LINE_EVERY_S, StageProgress


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    """Not one for each picture, and not none for minutes."""
    out, now = io.StringIO(), [0.0]
    with StageProgress(("checking",), Console(file=out), lambda: now[0]) as progress:
        for done in range(1, 101):
            now[0] = done * LINE_EVERY_S / 40
            progress.update("checking", done, 100)

    assert out.getvalue().splitlines() == ["checking 40 of 100 pictures", "checking 80 of 100 pictures"]
