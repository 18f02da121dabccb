"""Dead letters on a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from azaion_common.cli.root import build_app
from azaion_common.runtime import dead_letters
from azaion_common.runtime.dead_letters import DeadLetter

HOSTILE = "class \x1b]0;owned\x07\x1b[2J is in no catalogue"


@pytest.mark.parametrize("words", [["list"], ["show", "ingestor/1"]])
def test_what_others_wrote_is_shown_and_not_obeyed(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name in a message can hold anything: no escape of it reaches the terminal."""
    letter = DeadLetter(id="ingestor/1", at=None, state="open", reason="class_unknown", message=HOSTILE)

    async def every(_home: Path) -> list[DeadLetter]:
        return [letter]

    async def body_of(_home: Path, _letter: DeadLetter) -> bytes:
        return HOSTILE.encode()

    monkeypatch.setattr(dead_letters, "every", every)
    monkeypatch.setattr(dead_letters, "body_of", body_of)

    done = CliRunner().invoke(build_app(), ["dead-letters", *words, "--home", str(tmp_path)])

    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.stdout
    assert "owned" in done.stdout
