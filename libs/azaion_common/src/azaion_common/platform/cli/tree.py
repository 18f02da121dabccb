"""The tree of commands, loaded as far as a command line needs it: importing all of them takes a second."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib.metadata import EntryPoint
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from azaion_common.platform.cli.contents import examples_of, sections_of
from azaion_common.platform.runtime.discovery import command_points


class CommandTree(TyperGroup):
    """The program: each of its commands comes from an entry point and is imported when it is named."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the installed commands, in the order of the help."""
        return [name for section in sections_of(list(command_points())) for name in section.summaries]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, None when no installed package has it."""
        point = command_points().get(cmd_name)
        if point is None:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = _load(point)
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer does; a misspelt name is compared with what is installed, not with what is loaded."""
        if args and args[0] not in command_points():
            self.commands = dict.fromkeys(
                command_points(), typer.main.get_command(typer.Typer(callback=_nothing))
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands, by kind of work."""
        for section in sections_of(list(command_points())):
            with formatter.section(section.title):
                formatter.write_dl(
                    [(name, text or _summary(self, ctx, name)) for name, text in section.summaries.items()]
                )


def _load(point: EntryPoint) -> Any:
    app = typer.Typer(rich_markup_mode=None, callback=_nothing)
    point.load()(app)
    command = get_group(app).commands[point.name]
    _finish(command, point.name)
    return command


def _finish(command: Any, path: str) -> None:
    """Give a command and those below it their examples; docstrings mark names with backticks, a terminal does not."""
    command.help = _plain(command.help)
    command.short_help = _plain(command.short_help)
    command.epilog = examples_of(path) or command.epilog
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = _plain(parameter.help)
    below = getattr(command, "commands", {})
    if not below:
        command.callback = _logging_beside(command.callback)
    for name, each in below.items():
        _finish(each, f"{path} {name}")


def _logging_beside(callback: Callable[..., Any]) -> Callable[..., Any]:
    """What the parts of a command log goes to stderr: stdout is for its result."""

    @wraps(callback)
    def logging_beside(*args: Any, **kwargs: Any) -> Any:
        from azaion_common.core.logging import configure_logging  # noqa: PLC0415 - help does without

        configure_logging("warning")
        return callback(*args, **kwargs)

    return logging_beside


def _plain(text: str | None) -> str | None:
    return text.replace("`", "") if text else text


def _summary(tree: CommandTree, ctx: Any, name: str) -> str:
    command = tree.get_command(ctx, name)
    text: str = command.get_short_help_str(60)
    return text


def _nothing() -> None:
    """Keeps typer from taking a program with one command for that command."""
