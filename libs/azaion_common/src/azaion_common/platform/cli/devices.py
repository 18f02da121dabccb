"""``azaion devices``: what each device said last."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from azaion_common.contracts.events import ModelLoaded, ModelLoadFailed, devices
from azaion_common.contracts.events.codec import UnknownEventType, decode
from azaion_common.contracts.events.envelope import Envelope
from azaion_common.core.errors import PermanentError
from azaion_common.core.printable import printable
from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.output import print_json, stdout_console
from azaion_common.platform.cli.remembered import Remembered
from azaion_common.platform.runtime.settings import PlatformSettings, home_from
from azaion_common.platform.runtime.transports import check_exists, open_log

_TYPES = ("model.loaded.v1", "model.load_failed.v1")
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class Refused:
    """A release that a device did not take, and why."""

    release: int
    model_id: str
    code: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What a device runs, since when, and what it refused since then. ``release`` is None before the first."""

    device: str
    heard_at: datetime
    release: int | None = None
    model_id: str | None = None
    runtime: str | None = None
    runs_since: datetime | None = None
    refused: Refused | None = None


def register(app: typer.Typer) -> None:
    """Add the group of commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="Look at the devices of the fleet.")
    group.command("list")(list_)
    group.callback()(lambda: None)  # keeps the name of the only command
    app.add_typer(group, name="devices")


def list_(home: Home = None, *, as_json: AsJson = False) -> None:
    """What each device runs, and the last release that it refused. A device that is cut off tells later."""
    states = asyncio.run(read_devices(home_from(home)))
    if as_json:
        print_json({"devices": [_plain(state) for state in states]})
        return
    table = Table("device", "release", "model", "runtime", "since", "heard", "refused")
    for state in states:
        table.add_row(*(escape(printable(cell)[:_SHOWN_CHARS]) for cell in _cells(state)))
    stdout_console().print(table)


async def read_devices(home: Path) -> list[DeviceState]:
    """The state of every device that was ever heard of, by name.

    Raises:
        PermanentError: ``home_missing``.
    """
    settings = PlatformSettings.load(home, "platform")
    check_exists(home, settings)
    async with open_log(home, settings) as log:
        bodies = await Remembered(home, devices.STREAM, _TYPES).bodies(log)
    return fold(_envelopes(bodies))


def fold(envelopes: Iterable[Envelope]) -> list[DeviceState]:
    """The state of each device after these events, in their order. Pure."""
    states: dict[str, DeviceState] = {}
    for envelope in envelopes:
        match envelope.event:
            case ModelLoaded() as event:
                states[event.device] = DeviceState(
                    event.device, envelope.time, event.release, event.model_id, event.runtime, envelope.time
                )
            case ModelLoadFailed() as event:
                before = states.get(event.device, DeviceState(event.device, envelope.time))
                refused = Refused(event.release, event.model_id, event.code, event.message, envelope.time)
                states[event.device] = replace(before, heard_at=envelope.time, refused=refused)
            case _:
                continue
    return [states[name] for name in sorted(states)]


def _envelopes(bodies: Iterable[bytes]) -> Iterable[Envelope]:
    for body in bodies:
        with suppress(UnknownEventType, PermanentError):
            yield decode(body)


def _cells(state: DeviceState) -> tuple[str, ...]:
    refused = state.refused
    return (
        state.device,
        str(state.release or "none"),
        state.model_id or "",
        state.runtime or "",
        f"{state.runs_since:%Y-%m-%d %H:%M}" if state.runs_since else "",
        f"{state.heard_at:%Y-%m-%d %H:%M}",
        f"release {refused.release}: {refused.code}" if refused else "",
    )


def _plain(state: DeviceState) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asdict(state), default=datetime.isoformat))
    return plain
