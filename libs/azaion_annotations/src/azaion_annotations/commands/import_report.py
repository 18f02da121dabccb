"""What an import did, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from azaion_common.platform.cli.output import print_json

if TYPE_CHECKING:
    from azaion_annotations.formats import Problem
    from azaion_annotations.publish import ImportReport

_NAMED = 3
_NAMES = 5


def show_import(
    report: ImportReport, added: Sequence[str], console: Console, *, own_classes: bool, as_json: bool
) -> None:
    """The result on stdout; tables of what was not used as it is on ``console``.

    ``added`` are new classes; with ``own_classes`` all that the folder names were added already.
    """
    if as_json:
        print_json(facts_of(report) | {"classes_added": list(added)})
        return
    for title, problems in (
        ("will be quarantined", report.quarantined),
        ("not used", report.unused),
        ("to know of", report.remarks),
    ):
        if problems:
            console.print(_table(f"{len(problems)} {title}", problems))
    typer.echo(
        f"{report.pictures} pictures ({report.format}), {report.boxes} boxes: "
        f"{report.new} new, {report.changed} changed, {report.unchanged} unchanged, "
        f"{len(report.quarantined)} will be quarantined, {len(report.unused)} files not used"
    )
    for line in _more(report, added, own_classes=own_classes):
        typer.echo(f"  {line}")


def facts_of(report: ImportReport) -> dict[str, Any]:
    """The report as one JSON object."""
    return asdict(report) | {"catalogue": report.catalogue.name}


def _table(title: str, problems: Sequence[Problem]) -> Table:
    """One row for each reason, however many files it is of."""
    table = Table("files", "reason", "which", "why", title=title, title_justify="left")
    by_reason: dict[str, list[Problem]] = {}
    for problem in problems:
        by_reason.setdefault(problem.reason, []).append(problem)
    for reason, alike in by_reason.items():
        named = alike[:_NAMED]
        more = [f"and {len(alike) - _NAMED} more: --json"] if len(alike) > _NAMED else []
        which = "\n".join([problem.path for problem in named] + more)
        why = "\n".join(dict.fromkeys(problem.message for problem in named))
        # File names are data: shown as they are, never as markup.
        table.add_row(str(len(alike)), reason, Text(which), Text(why))
    return table


def _more(report: ImportReport, added: Sequence[str], *, own_classes: bool) -> Iterator[str]:
    if report.changed:
        yield f"changed: {_some(report.changed_names)}"
    if report.kept:
        yield f"{report.kept} have other labels in the store, which stay (--only-new)"
    if report.deleted:
        yield f"{report.deleted} were deleted before and stay so; --restore brings them back"
    if report.background_without_labels:
        yield f"{report.background_without_labels} have no label file: taken as background"
    if report.own_split:
        sides = ", ".join(f"{side} {count}" for side, count in report.own_split.items())
        yield f"the folder's own split ({sides}) is not used: training splits by scene, so that no side knows another"
    if added:
        yield f"added to the catalogue: {_some(added)}"
    if report.unknown_classes:
        unknown = _some(list(report.unknown_classes))
        if own_classes:
            yield f"the folder has labels of classes that it does not name: {unknown}"
        else:
            yield f"the catalogue does not have: {unknown}; --catalogue own adds those that the folder names"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
