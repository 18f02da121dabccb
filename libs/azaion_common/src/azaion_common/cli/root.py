"""``azaion``: one program; installed packages add their commands to it."""

from __future__ import annotations

import sys

import typer

from azaion_common import __version__
from azaion_common.cli.contents import examples_of
from azaion_common.cli.output import HAS_ANSWERED, print_json
from azaion_common.cli.tree import CommandTree
from azaion_common.errors import AzaionError, TransientError
from azaion_common.printable import printable

EXIT_PERMANENT = 1
EXIT_TRANSIENT = 75  # EX_TEMPFAIL of sysexits.h
EXIT_INTERRUPTED = 130
EXIT_CODES = {
    0: "done",
    EXIT_PERMANENT: "failed: trying again will not help",
    2: "wrong usage",
    EXIT_TRANSIENT: "failed for now: try again",
    EXIT_INTERRUPTED: "Ctrl-C",
    143: "told to end (SIGTERM)",
}


def build_app() -> typer.Typer:
    """The program; a command is imported when it is named."""
    app = typer.Typer(
        name="azaion",
        cls=CommandTree,
        help="From annotated pictures to detectors on edge devices, in a loop.",
        epilog=f"{examples_of('')}\n\n{_exit_codes()}",
        no_args_is_help=True,
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

    return app


def _exit_codes() -> str:
    return "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())


def main() -> None:
    """Run the program; errors are one line on stderr and a non-zero exit."""
    HAS_ANSWERED.set(False)
    try:
        build_app()()
    except AzaionError as error:
        print_error(error)
        if "--json" in sys.argv and not HAS_ANSWERED.get():
            print_json({"error": {"code": error.code, "message": error.message, "hint": error.hint}})
        sys.exit(EXIT_TRANSIENT if isinstance(error, TransientError) else EXIT_PERMANENT)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def print_error(error: AzaionError) -> None:
    """One line for people, and a second one with what to do next, where that is known."""
    typer.secho(f"error: {printable(str(error))}", err=True, fg=typer.colors.RED)
    if error.hint:
        typer.secho(f"       {printable(error.hint)}", err=True)


if __name__ == "__main__":
    main()
