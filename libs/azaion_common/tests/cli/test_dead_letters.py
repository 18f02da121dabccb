"""Dead letters on a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from azaion_common.platform.cli.root import build_app
from azaion_common.platform.runtime import dead_letters
from azaion_common.platform.runtime.dead_letters import DeadLetter

HOSTILE = "class \x1b]0;owned\x07\x1b[2J is in no catalogue"


@pytest.fixture
def _hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A home with one dead letter, whose message somebody else wrote."""
    letter = DeadLetter(id="ingestor/1", at=None, state="open", reason="class_unknown", message=HOSTILE)

    async def every(_home: Path) -> list[DeadLetter]:
        return [letter]

    async def body_of(_home: Path, _letter: DeadLetter) -> bytes:
        return HOSTILE.encode()

    monkeypatch.setattr(dead_letters, "every", every)
    monkeypatch.setattr(dead_letters, "body_of", body_of)


@pytest.mark.usefixtures("_hostile")
@pytest.mark.parametrize("words", [["list"], ["show", "ingestor/1"]])
def test_what_others_wrote_is_shown_and_not_obeyed(words: list[str], tmp_path: Path) -> None:
    """A name in a message can hold anything: no escape of it reaches the terminal."""
    done = CliRunner().invoke(build_app(), ["dead-letters", *words, "--home", str(tmp_path)])

    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.stdout
    assert "owned" in done.stdout


@pytest.mark.usefixtures("_hostile")
@pytest.mark.parametrize(
    ("place", "code"),
    [("file/message", "folder_missing"), ("none/message", "folder_missing"), ("folder", "not_a_file")],
)
def test_a_place_where_no_message_can_be_written_is_one_error(place: str, code: str, tmp_path: Path) -> None:
    """A mistyped --save is told in a line, not in a traceback."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    words = ["dead-letters", "show", "ingestor/1", "--save", str(tmp_path / place), "--home", str(tmp_path)]

    refused = CliRunner().invoke(build_app(), words).exception

    assert getattr(refused, "code", refused) == code
