"""``azaion devices`` tells what each device said last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from azaion_common.contracts.events import ModelLoaded, ModelLoadFailed, devices
from azaion_common.contracts.events.codec import encode
from azaion_common.contracts.events.envelope import Envelope, wrap
from azaion_common.platform.cli.devices import fold, register
from azaion_common.platform.runtime.transports import log_path
from azaion_common.platform.streams import Message
from azaion_common.platform.streams.sqlite import SqliteEventLog

START = datetime(2026, 1, 1, tzinfo=UTC)


def loaded(device: str, release: int) -> ModelLoaded:
    return ModelLoaded(device=device, model_id=f"{release:016x}", release=release, runtime="openvino")


def failed(device: str, release: int, code: str = "model_hangs") -> ModelLoadFailed:
    return ModelLoadFailed(
        device=device, model_id=f"{release:016x}", release=release, code=code, message="no"
    )


def told(*events: ModelLoaded | ModelLoadFailed) -> list[Envelope]:
    """The events, an hour apart."""
    return [
        wrap(
            event=event, subject="d", producer="inferencer", epoch=1, seq=seq, stream=devices.STREAM,
            time=START + timedelta(hours=seq),
        )
        for seq, event in enumerate(events)
    ]  # fmt: skip


def test_each_device_runs_what_it_said_last() -> None:
    """By name; a release that was refused before a newer one ran is no news any more."""
    states = fold(told(loaded("b", 1), failed("b", 2), loaded("a", 1), loaded("b", 3)))

    assert [(state.device, state.release, state.refused) for state in states] == [
        ("a", 1, None),
        ("b", 3, None),
    ]
    assert states[1].runs_since == START + timedelta(hours=3)


def test_what_a_device_refused_is_told_beside_what_it_runs() -> None:
    """The last refusal, with its reason; the release before it goes on."""
    (state,) = fold(told(loaded("a", 5), failed("a", 10**9, "release_forged"), failed("a", 6)))

    assert state.release == 5
    assert state.refused is not None
    assert (state.refused.release, state.refused.code) == (6, "model_hangs")
    assert state.heard_at == START + timedelta(hours=2)


def test_a_device_that_never_ran_anything_is_shown() -> None:
    """A board that refuses its first release is the one to look after."""
    (state,) = fold(told(failed("new", 1, "release_key_missing")))

    assert (state.release, state.runs_since) == (None, None)


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    events: Sequence[ModelLoaded | ModelLoadFailed] = (loaded("gate", 1), failed("\x1b[2Jevil[red]", 2))
    async with SqliteEventLog.open(log_path(tmp_path)) as log:
        await log.append(devices.STREAM, [Message(encode(envelope)) for envelope in told(*events)])
    return tmp_path


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["devices", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_command_reads_the_stream(home: Path) -> None:
    """One JSON object; a table whose names move no cursor and are no markup."""
    found = json.loads(run("list", "--json", "--home", str(home)))["devices"]
    table = run("list", "--home", str(home))

    assert [(each["device"], each["release"]) for each in found] == [("\x1b[2Jevil[red]", None), ("gate", 1)]
    assert "gate" in table
    assert "\x1b" not in table
    assert "evil[red]" in table
