"""Waiting for the answer to a job."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from rich.console import Console

from azaion_common.platform.cli import model_events
from azaion_common.platform.cli.patience import Patience
from azaion_common.platform.streams.sqlite import SqliteEventLog


async def test_who_waits_for_a_service_that_does_not_run_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits in silence for an export or a publication that nobody makes."""
    monkeypatch.setattr(model_events, "LOOK_S", 0.01)
    output, looks = io.StringIO(), 0

    async def works() -> bool:
        nonlocal looks
        looks += 1
        return looks > 3

    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        with Patience(Console(file=output)) as patience, pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await model_events.answer(
                    log, 0, lambda _: False, service="exporter", works=works, patience=patience
                )

    assert output.getvalue().splitlines() == [
        "no exporter runs here: start the services with: azaion up",
        "the exporter is at work",
    ]
