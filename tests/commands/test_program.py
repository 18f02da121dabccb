"""The program as somebody meets it: its list of commands, their help, and what they have in common."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from azaion_common.platform.cli import reference, root
from azaion_common.platform.cli.contents import EXAMPLES, SECTIONS, SUMMARY_CHARS
from azaion_common.platform.cli.options import AsJson
from azaion_common.platform.cli.root import build_app
from azaion_common.platform.runtime.discovery import command_points
from azaion_common.platform.runtime.platform import open_platform
from azaion_common.platform.runtime.settings_reference import describe, settings_classes

DOCS = Path(__file__).parents[2] / "docs"
SERVICES = {"up", "run"}
"""Commands that run until they are stopped print a log, not a result."""


@pytest.fixture(scope="module")
def commands() -> dict[str, Any]:
    """Every command that does something, by the words that call it."""
    program = get_command(build_app())
    return {
        path: command
        for name in command_points()
        for path, command in reference.leaves(program.get_command(None, name), name)  # type: ignore[attr-defined]
    }


def test_every_command_has_its_place_in_the_list_and_a_summary_that_fits() -> None:
    """Nobody meets a command that is listed nowhere, or a line that is cut."""
    listed = {name: text for section in SECTIONS for name, text in section.summaries.items()}

    assert sorted(listed) == sorted(command_points())
    assert {name: text for name, text in listed.items() if len(text) > SUMMARY_CHARS} == {}


def test_no_summary_within_a_group_is_cut(commands: dict[str, Any]) -> None:
    """The first sentence of a command's help fits into a line of the list that it stands in."""
    summaries = {path: command.get_short_help_str(SUMMARY_CHARS) for path, command in commands.items()}

    assert {path: text for path, text in summaries.items() if " " in path and text.endswith("...")} == {}


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


def test_json_is_a_switch_of_every_command(commands: dict[str, Any]) -> None:
    """``--json`` takes no value and is there wherever something is printed."""
    switches = {
        path: [option for option in command.params if "--json" in option.opts]
        for path, command in commands.items()
    }

    assert [path for path, found in switches.items() if path not in SERVICES and not found] == []
    assert [path for path, found in switches.items() if found and not found[0].is_flag] == []


def test_every_setting_says_what_it_means() -> None:
    """No setting is left to guesses."""
    settings = [each for name, kind in settings_classes().items() for each in describe(name, kind)]

    assert [each.key for each in settings if not each.meaning] == []


@pytest.mark.parametrize(
    ("page", "text"), [("settings.md", reference.settings_page), ("commands.md", reference.commands_page)]
)
def test_the_reference_pages_are_what_the_program_says(page: str, text: Any) -> None:
    """docs/settings.md and docs/commands.md are written by ``make reference``, after every change."""
    assert (DOCS / page).read_text() == text()


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["settings", "--help"]])
def test_help_does_not_wait_for_libraries(words: list[str]) -> None:
    """No database, array or web library is imported before a command needs it."""
    program = (
        "import sys; from azaion_common.platform.cli.root import build_app\n"
        f"try: build_app()({words!r})\n"
        "except SystemExit: pass\n"
        "print(*({'sqlalchemy', 'numpy', 'cv2', 'httpx', 'starlette', 'structlog'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == ""


def azaion(
    *words: str | Path, stdout: Any = subprocess.PIPE, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "azaion_common.platform.cli.root", *map(str, words)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}  # noqa: TID251 - for the child
    return subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, env=environment
    )


def test_an_error_is_one_json_object_too(tmp_path: Path) -> None:
    """Whoever reads --json by machine finds the code of an error on stdout, and people its line on stderr."""
    done = azaion("doctor", "--json", "--home", tmp_path)

    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "home_missing"
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    "words",
    [
        ["doctor", "--nope"],
        ["models", "show"],
        ["infer", "x.mp4", "--every", "often"],
        ["data", "export", "there", "--format"],
        ["doktor"],
    ],
)
def test_wrong_usage_is_one_json_object_too(words: list[str]) -> None:
    """An option, argument, value or command that is none ends with exit code 2 and its code on stdout, whatever reads."""
    done = azaion(*words, "--json") if words[-1] != "--format" else azaion("--json", *words)

    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "wrong_usage"
    assert error["hint"].endswith("--help")
    assert "Error: " in done.stderr


@pytest.mark.parametrize(
    ("ending", "exit_code", "code"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (SystemExit(143), 143, "interrupted"),
        (ValueError("odd"), None, "unexpected"),
    ],
)
def test_whatever_ends_a_command_is_one_json_object(
    ending: BaseException,
    exit_code: int | None,
    code: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C, SIGTERM and a fault of the program itself leave no machine with an empty stdout."""

    def ending_app() -> Any:
        app = typer.Typer()

        @app.command()
        def command(*, as_json: AsJson = False) -> None:
            raise ending

        return app

    monkeypatch.setattr(root, "build_app", ending_app)
    monkeypatch.setattr(sys, "argv", ["azaion", "--json"])

    with pytest.raises(SystemExit if exit_code else type(ending)) as ended:
        root.main()

    assert exit_code is None or getattr(ended.value, "code", None) == exit_code
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


@pytest.mark.parametrize(("name", "encoding"), [("\udcff", "utf-8"), ("ü", "ascii")])
def test_a_name_that_stdout_cannot_write_is_told_all_the_same(
    name: str, encoding: str, tmp_path: Path
) -> None:
    """Files may be called by bytes that are no text: whoever reads JSON gets the name back, and people an escape."""
    done = azaion("annotations", "import", tmp_path / name, "--json", encoding=encoding)

    assert json.loads(done.stdout)["error"]["message"] == f"there is no folder {tmp_path / name}"
    assert done.returncode == 1


def test_a_line_for_people_may_hold_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's name in a result ends no command with a traceback: what stdout cannot write is written out escaped."""
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    app = typer.Typer()
    app.command()(lambda: typer.echo("a\udcff"))
    monkeypatch.setattr(root, "build_app", lambda: app)
    monkeypatch.setattr(sys, "argv", ["azaion"])
    monkeypatch.setattr(sys, "stdout", stdout)

    with pytest.raises(SystemExit, match="0"):
        root.main()

    assert stdout.buffer.getvalue() == b"a\\udcff\n"


@pytest.mark.parametrize("words", [["settings", "--json"], ["settings"], ["--version"], ["--help"]])
def test_a_result_that_cannot_be_written_is_an_error(words: list[str]) -> None:
    """A full disk behind stdout ends the command with one line: nobody takes a lost result for none."""
    with Path("/dev/full").open("w") as full:
        done = azaion(*words, stdout=full)

    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert done.stderr.splitlines()[-1].endswith("[output_lost]")


@pytest.mark.parametrize("closed", ["1", "2"])
@pytest.mark.parametrize("words", ["settings", "settings --json", "jobs list"])
def test_nobody_has_to_listen(closed: str, words: str, tmp_path: Path) -> None:
    """A program that is started without stdout or stderr does its work, and no file of a home takes their place."""
    asyncio.run(_make_log(tmp_path))
    command = f"exec {sys.executable} -m azaion_common.platform.cli.root {words} {closed}>&-"
    environment = {**os.environ, "AZAION_HOME": str(tmp_path)}  # noqa: TID251 - for the child

    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, check=False)

    assert (done.returncode, b"Traceback" in done.stdout + done.stderr) == (0, False)


async def _make_log(home: Path) -> None:
    async with open_platform(home):
        pass


def test_a_reader_that_has_gone_is_not_told() -> None:
    """Whoever closes the pipe wants nothing more: no traceback, not even about a result that is an error."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        results = [
            azaion(*words, stdout=writing)
            for words in (["settings", "--json"], ["doctor", "--nope", "--json"])
        ]
    finally:
        os.close(writing)

    assert [done.returncode for done in results] == [1, 2]
    assert "Traceback" not in "".join(done.stderr for done in results)


NEED_NO_HOME = ("package", "settings", "setup", "blobs make-bucket")
"""They read files or ask servers, which the environment may name as well."""
MAKE_ONE = ("up", "run", "demo", "annotations import")
WORDS = {
    "annotations edit": ["{labels}"],
    "annotations validate": ["street"],
    "annotations delete": ["street"],
    "backup": ["{new}"],
    "data export": ["{new}"],
    "dead-letters show": ["a"],
    "dead-letters requeue": ["--all"],
    "export": ["latest"],
    "infer": ["{picture}"],
    "jobs cancel": ["a"],
    "jobs show": ["a"],
    "models get": ["latest"],
    "models lineage": ["latest"],
    "models show": ["latest"],
    "publish": ["latest"],
    "replay": ["ingestor"],
}
"""What a command needs to be told beside its home."""


def test_what_asks_something_of_a_home_makes_none(commands: dict[str, Any], tmp_path: Path) -> None:
    """A misspelt --home is told by every command that looks at a home or has it work, and no empty one comes to be."""
    labels, folder, file = tmp_path / "street.txt", tmp_path / "folder", tmp_path / "file"
    picture = tmp_path / "street.png"
    Image.new("RGB", (64, 64)).save(picture)
    labels.write_text("0 0.5 0.5 0.1 0.1")
    file.write_text("no home")
    folder.mkdir()
    told: dict[str, set[str]] = {}
    for path in commands:
        if path in MAKE_ONE or path.startswith(NEED_NO_HOME):
            continue
        words = [
            each.format(labels=labels, picture=picture, new=tmp_path / "new") for each in WORDS.get(path, [])
        ]
        for home in (tmp_path / "none", folder, file):
            result = CliRunner().invoke(build_app(), [*path.split(), *words, "--home", str(home)])
            error = result.exception
            told.setdefault(getattr(error, "code", result.output), set()).add(path)
            assert home.name in str(error), path

    assert {code: paths for code, paths in told.items() if code != "home_missing"} == {}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder", "street.png", "street.txt"]
    assert list(folder.iterdir()) == []


def test_why_a_folder_is_no_home_is_told(tmp_path: Path) -> None:
    """A folder that is not there, one without an event log and a file are three mistakes."""
    (tmp_path / "file").write_text("no home")

    results = [
        str(CliRunner().invoke(build_app(), ["models", "list", "--home", str(home)]).exception)
        for home in (tmp_path / "none", tmp_path, tmp_path / "file")
    ]

    assert ["no folder" in results[0], "no event log" in results[1], "is a file" in results[2]] == [True] * 3


def test_a_home_that_is_made_is_told(tmp_path: Path) -> None:
    """Who misspells --home of an import reads where the pictures went."""
    folder = tmp_path / "labelled"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / "street.png")
    (folder / "street.txt").write_text("0 0.5 0.5 0.1 0.1")
    (folder / "classes.txt").write_text("car")
    words = ["annotations", "import", str(folder), "--catalogue", "own", "--home"]

    first, second = (CliRunner().invoke(build_app(), [*words, str(tmp_path / "home")]) for _ in range(2))

    assert first.stderr.count(f"made a home: {tmp_path / 'home'}") == 1
    assert "made a home" not in second.stderr
