"""The program as somebody meets it: its list of commands, their help, and what they have in common."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from azaion_common.cli import reference
from azaion_common.cli.contents import EXAMPLES
from azaion_common.cli.root import build_app
from azaion_common.runtime.discovery import command_points

DOCS = Path(__file__).parents[2] / "docs"
SERVICES = {"up", "run"}
"""Commands that run until they are stopped print a log, not a result."""


@pytest.fixture(scope="module")
def commands() -> dict[str, Any]:
    """Every command that does something, by the words that call it."""
    program: Any = get_command(build_app())
    return {
        path: command
        for name in command_points()
        for path, command in reference.leaves(program.get_command(None, name), name)
    }


def test_help_shows_no_markup(commands: dict[str, Any]) -> None:
    """Backticks mark names in the source; a terminal shows none."""
    texts = {
        path: " ".join([command.help or "", *(getattr(each, "help", "") or "" for each in command.params)])
        for path, command in commands.items()
    }

    assert [path for path, text in texts.items() if "`" in text] == []


def test_every_example_is_a_line_that_the_program_takes(commands: dict[str, Any]) -> None:
    """Options of an example exist: who copies it does not meet an error of usage."""
    for line in (line for lines in EXAMPLES.values() for line in lines):
        words = shlex.split(line.split("|")[0].split("&")[0], comments=True)[1:]
        path = next(path for path in (" ".join(words[:2]), words[0]) if path in commands)
        commands[path].make_context(path, words[len(path.split()) :], resilient_parsing=True)


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["settings", "--help"]])
def test_help_does_not_wait_for_libraries(words: list[str]) -> None:
    """No database, array or web library is imported before a command needs it."""
    program = (
        "import sys; from azaion_common.cli.root import build_app\n"
        f"try: build_app()({words!r})\n"
        "except SystemExit: pass\n"
        "print(*({'sqlalchemy', 'numpy', 'cv2', 'httpx', 'starlette', 'structlog'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == ""
