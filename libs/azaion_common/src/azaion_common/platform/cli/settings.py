"""``azaion settings``: every setting, what it is now, and what it means."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.output import print_json, stdout_console
from azaion_common.platform.runtime.settings import home_from
from azaion_common.platform.runtime.settings_reference import Setting, describe, settings_classes, shown

DEFAULT = "default"


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("settings")(settings)


@dataclass(frozen=True, slots=True)
class _Current:
    setting: Setting
    value: str
    origin: str


def settings(
    section: Annotated[
        str | None, typer.Argument(help="platform or a service. [all]", show_default=False)
    ] = None,
    home: Home = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List every setting with its value, where that comes from, and its meaning."""
    place = home_from(home)
    if not place.is_dir():
        typer.echo(f"there is no folder {place}: this is what a new home there would have", err=True)
    found = list(_current(place, section))
    if as_json:
        rows = [asdict(each.setting) | {"value": each.value, "origin": each.origin} for each in found]
        print_json({"settings": rows})
        return
    table = Table("setting", "value", "meaning", pad_edge=False, show_lines=False)
    for each in found:
        changed = each.origin != DEFAULT
        value = Text(each.value, style="bold" if changed else "")
        origin = f" (from {each.origin}; default: {each.setting.default})" if changed else ""
        table.add_row(each.setting.key, value, Text(each.setting.meaning.replace("`", "") + origin))
    stdout_console().print(table)


def _current(home: Path, section: str | None) -> list[_Current]:
    found = []
    for name, kind in settings_classes(section).items():
        values, origins = kind.load(home, name), kind.origins(home, name)
        for setting in describe(name, kind):
            value = shown(getattr(values, setting.name))
            found.append(_Current(setting, value, origins.get(setting.name, DEFAULT)))
    return found
