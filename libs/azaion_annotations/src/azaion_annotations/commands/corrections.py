"""``azaion annotations edit|validate|delete``: corrections of what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from azaion_common.core.errors import PermanentError
from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.output import print_json
from azaion_common.platform.runtime.platform import catalogue_of
from azaion_common.platform.runtime.settings import PlatformSettings, home_from
from azaion_common.platform.runtime.transports import check_exists, open_log

if TYPE_CHECKING:
    from azaion_annotations.correcting import Corrections, Corrector

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Pictures, by name as in data/images.")
]
NamesFile = Annotated[
    Path | None, typer.Option("--from", help="A text file with more names, one on each line.")
]
_SHOWN = 5


def register(group: typer.Typer) -> None:
    """Add the commands to ``group``."""
    group.command()(edit)
    group.command()(validate)
    group.command()(delete)


def edit(
    labels: Annotated[
        list[Path],
        typer.Argument(help="Changed copies of files in data/labels (NAME.txt), or folders of them."),
    ],
    *,
    role: Annotated[str, typer.Option(help="validator (counts for training) or operator.")] = "validator",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Give pictures other labels.

    Copy files out of data/labels, change the copies, and name them here.
    """
    from azaion_annotations.publish import ROLES  # noqa: PLC0415

    if role not in ROLES:
        raise PermanentError("unknown_role", f"no role {role!r}", hint=f"known: {', '.join(ROLES)}")
    texts = _texts(labels)
    _correct(
        home_from(home), lambda corrector: corrector.relabel(texts, ROLES[role]), "edited", as_json=as_json
    )


def validate(
    names: Names = None, *, listed: NamesFile = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Confirm what an operator labelled.

    From then on the pictures count for training.
    """
    from azaion_common.contracts.annotations.profiles import Action  # noqa: PLC0415

    wanted = _names(names, listed)
    decided = Action.VALIDATED
    _correct(home_from(home), lambda each: each.decide(wanted, decided), "validated", as_json=as_json)


def delete(
    names: Names = None, *, listed: NamesFile = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Take pictures out of training.

    They are kept in data_deleted; an import with --restore brings them back.
    """
    from azaion_common.contracts.annotations.profiles import Action  # noqa: PLC0415

    wanted = _names(names, listed)
    decided = Action.DELETED
    _correct(home_from(home), lambda each: each.decide(wanted, decided), "deleted", as_json=as_json)


def _correct(home: Path, lay_out: Callable[[Corrector], Corrections], done: str, *, as_json: bool) -> None:
    corrections = asyncio.run(_send(home, lay_out))
    changed, unchanged = list(corrections.changed), corrections.unchanged
    if as_json:
        print_json({"changed": changed, "unchanged": unchanged})
        return
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    names = f": {', '.join(changed[:_SHOWN])}{more}" if changed else ""
    already = f"; {unchanged} were so before" if unchanged else ""
    typer.echo(f"{len(changed)} {done}{names}{already}")


async def _send(home: Path, lay_out: Callable[[Corrector], Corrections]) -> Corrections:
    from azaion_annotations.correcting import Corrector  # noqa: PLC0415
    from azaion_annotations.intake_settings import IntakeSettings  # noqa: PLC0415
    from azaion_annotations.reading_stored import applied_offsets, read_stored  # noqa: PLC0415

    settings = PlatformSettings.load(home, "platform")
    check_exists(home, settings)
    catalogue, profile = catalogue_of(home, settings), IntakeSettings.of(home).profile
    applied = await applied_offsets(home, settings)
    async with open_log(home, settings) as log:
        stored = await read_stored(
            log, catalogue, partitioning=settings.partitioning, applied=applied, profile=profile
        )
        corrections = lay_out(Corrector(stored, settings.partitioning, profile))
        await corrections.send(log)
    return corrections


def _names(names: Sequence[str] | None, listed: Path | None) -> list[str]:
    more = _read(listed).split("\n") if listed else []
    found = [name.strip() for name in (*(names or ()), *more) if name.strip()]
    if not found:
        raise PermanentError("which_pictures", "say which pictures", hint="give names, or a file with --from")
    return found


def _texts(labels: Sequence[Path]) -> Mapping[str, str]:
    files = [file for path in labels for file in (sorted(path.glob("*.txt")) if path.is_dir() else [path])]
    if not files:
        raise PermanentError("no_labels", f"{labels[0]} holds no .txt files")
    return {file.stem: _read(file) for file in files}


def _read(path: Path) -> str:
    from azaion_annotations.formats.regular_files import NotReadableError, read_regular  # noqa: PLC0415

    try:
        return read_regular(path.resolve(), 4 << 20).decode("utf-8-sig")
    except (NotReadableError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise PermanentError("labels_unreadable", f"{path} {reason}") from error
