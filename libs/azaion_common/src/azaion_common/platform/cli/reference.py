"""The reference pages of docs/, written from the program itself: ``python -m azaion_common.platform.cli.reference FOLDER``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from azaion_common.platform.cli.contents import EXAMPLES, sections_of
from azaion_common.platform.cli.root import EXIT_CODES, build_app
from azaion_common.platform.runtime.discovery import command_points
from azaion_common.platform.runtime.settings_reference import describe, settings_classes

_NOTE = "<!-- Written by `make reference` from the program; change it there. -->\n"


def settings_page() -> str:
    """docs/settings.md: every setting of every section."""
    lines = [
        "# Settings",
        "",
        _NOTE,
        "Defaults, then `azaion.yaml` in the home (one section per service, `platform` for what all share), then the",
        "environment. `trainer.epochs` is `AZAION_TRAINER__EPOCHS`; with `_FILE` behind it, a variable names a file that",
        "holds the value. A misspelt name is refused. `azaion settings` shows what holds on a home, and where it comes from.",
    ]
    for name, kind in settings_classes().items():
        lines += ["", f"## {name}", "", "| setting | type | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{each.name}` | {_cell(each.kind)} | `{_cell(each.default)}` | {_cell(each.meaning)} |"
            for each in describe(name, kind)
        ]
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """docs/commands.md: every command with its options and examples, and the exit codes."""
    program: Any = get_command(build_app())
    lines = [
        "# Commands",
        "",
        _NOTE,
        "`azaion --install-completion` teaches your shell the names. `--json` prints one JSON object on stdout, and nothing",
        'else stands there; progress and notes go to stderr. What ends with an error prints `{"error": {"code", "message",',
        '"hint"}}`: wrong usage (`wrong_usage`) and Ctrl-C (`interrupted`) too; what is killed prints nothing. What writes a',
        "file is called `--save`, `--lines` or `--report`.",
        "",
        "| exit code | meaning |",
        "|--:|---|",
        *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()),
    ]
    for section in sections_of(list(command_points())):
        lines += ["", f"## {section.title}"]
        for name in section.summaries:
            for path, command in leaves(program.get_command(None, name), name):
                lines += ["", *_entry(path, command)]
    return "\n".join(lines) + "\n"


def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """``command``, or every command below it, with the words that call it."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, each in below.items():
        yield from leaves(each, f"{path} {name}")


def write_reference(folder: Path) -> None:
    """Write both pages into ``folder``."""
    (folder / "settings.md").write_text(settings_page())
    (folder / "commands.md").write_text(commands_page())


def _entry(path: str, command: Any) -> Iterator[str]:
    yield f"### azaion {path}"
    yield ""
    yield " ".join((command.help or "").split())
    yield ""
    yield "| | |"
    yield "|---|---|"
    for parameter in command.params:
        if parameter.name != "help" and not getattr(parameter, "hidden", False):
            yield f"| {_cell(_name(parameter))} | {_cell(parameter.help or '')}{_default(parameter)} |"
    if path in EXAMPLES:
        yield from ("", "```", *EXAMPLES[path], "```")


def _name(parameter: Any) -> str:
    """``--save``, or the name of an argument in capitals."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    return ", ".join(f"`{option}`" for option in [*parameter.opts, *parameter.secondary_opts])


def _default(parameter: Any) -> str:
    value = parameter.default
    if value is None or isinstance(value, bool) or callable(value) or not parameter.show_default:
        return ""
    return f" [{_cell(str(value))}]"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    write_reference(Path(sys.argv[1]))
