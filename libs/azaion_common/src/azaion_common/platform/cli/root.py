"""``azaion``: one program; installed packages add their commands to it."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from typing import Any

import typer

from azaion_common import __version__
from azaion_common.core.errors import AzaionError, PermanentError, TransientError
from azaion_common.core.printable import printable
from azaion_common.platform.cli.contents import examples_of
from azaion_common.platform.cli.output import HAS_ANSWERED, lost_output, prepare_streams, print_json
from azaion_common.platform.cli.tree import CommandTree

EXIT_PERMANENT = 1
EXIT_TRANSIENT = 75  # EX_TEMPFAIL of sysexits.h
SIGNALLED = 128
"""And the signal's number, as shells count."""
EXIT_INTERRUPTED = SIGNALLED + signal.SIGINT
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
    """Run the program; errors are one line on stderr and a non-zero exit, with ``--json`` an object on stdout too."""
    HAS_ANSWERED.set(False)
    prepare_streams()
    sys.exit(_run())


def _run() -> int:
    """Run what the command line says; the exit code."""
    try:
        exit_code: int = build_app()(standalone_mode=False) or 0
    except AzaionError as error:
        return _refuse(error)
    except typer.TyperException as error:
        return _explain_usage(error)
    except KeyboardInterrupt:
        exit_code = EXIT_INTERRUPTED
    except SystemExit as ending:
        exit_code = ending.code if isinstance(ending.code, int) else EXIT_PERMANENT
    except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
        return _refuse(_path_problem(error))
    except Exception as error:
        if isinstance(error, OSError) and "--json" not in sys.argv and (lost := lost_output()):
            return _refuse(lost)
        _answer("unexpected", f"{type(error).__name__}: {error}", "report it with the traceback on stderr")
        raise
    if exit_code > SIGNALLED:
        _answer("interrupted", f"ended by {signal.Signals(exit_code - SIGNALLED).name}", None)
    return exit_code


def _refuse(error: AzaionError) -> int:
    """Tell of ``error``; the exit code."""
    print_error(error)
    _answer(error.code, error.message, error.hint)
    return EXIT_TRANSIENT if isinstance(error, TransientError) else EXIT_PERMANENT


def _path_problem(error: OSError) -> PermanentError:
    """What the operating system says of a path that no part of the program had reason to doubt."""
    hint = "act as the owner, or have the owner allow it" if isinstance(error, PermissionError) else None
    return PermanentError("path_unusable", f"{error.filename}: {error.strerror}", hint=hint)


def _explain_usage(error: Any) -> int:
    """Say how the command is called, as typer does; the exit code."""
    error.show()
    path = error.ctx.command_path if getattr(error, "ctx", None) else "azaion"
    _answer("wrong_usage", error.format_message(), f"see: {path} --help")
    exit_code: int = error.exit_code
    return exit_code


def _answer(code: str, message: str, hint: str | None) -> None:
    """The error as the one JSON object, where one is asked for and none has been printed."""
    if "--json" not in sys.argv or HAS_ANSWERED.get():
        return
    with suppress(BrokenPipeError, AzaionError):  # what has gone wrong before is told already
        print_json({"error": {"code": code, "message": message, "hint": hint}})


def print_error(error: AzaionError) -> None:
    """One line for people, and a second one with what to do next, where that is known."""
    typer.secho(f"error: {printable(str(error))}", err=True, fg=typer.colors.RED)
    if error.hint:
        typer.secho(f"       {printable(error.hint)}", err=True)


if __name__ == "__main__":
    main()
