"""``azaion``: one program; installed packages add their commands to it."""

from __future__ import annotations

import sys

import typer

from azaion_common import __version__
from azaion_common.errors import AzaionError, TransientError
from azaion_common.runtime.discovery import command_points

EXIT_PERMANENT = 1
EXIT_TRANSIENT = 75  # EX_TEMPFAIL of sysexits.h: trying again may help
EXIT_INTERRUPTED = 130


def build_app(wanted: str | None = None) -> typer.Typer:
    """The program with every installed command, or, where ``wanted`` is one, with what that one needs."""
    app = typer.Typer(
        name="azaion",
        help="From annotated pictures to detectors on edge devices, in a loop. Start with: azaion demo",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback(invoke_without_command=True)
    def root(
        version: bool = typer.Option(False, "--version", help="Print the version and exit."),  # noqa: FBT001, FBT003
    ) -> None:
        if version:
            typer.echo(__version__)
            raise typer.Exit

    for point in command_points(wanted):
        point.load()(app)
    return app


def main() -> None:
    """Run the program; errors are one line on stderr and a non-zero exit."""
    try:
        build_app(sys.argv[1] if len(sys.argv) > 1 else None)()
    except AzaionError as error:
        print_error(error)
        sys.exit(EXIT_TRANSIENT if isinstance(error, TransientError) else EXIT_PERMANENT)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def print_error(error: AzaionError) -> None:
    """One line for people, and a second one with what to do next, where that is known."""
    typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
    if error.hint:
        typer.secho(f"       {error.hint}", err=True)


if __name__ == "__main__":
    main()
