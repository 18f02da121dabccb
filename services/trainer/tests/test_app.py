"""What the service makes of its settings when it starts."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.toolchain import Toolchain
from azaion_trainer.adapters.ultralytics import UltralyticsTraining
from azaion_trainer.app import check_overrides, niceness, run
from azaion_trainer.settings import TrainerSettings

CHECKER = """
import json, sys
job = json.loads(sys.stdin.readline())
wrong = {name: f"{name} takes something else" for name, value in job["overrides"].items() if value == 7}
print(json.dumps({"type": "result", "settings": {"lr0": "a number"}, "architectures": [], "problems": wrong}))
"""


@pytest.fixture
def training(tmp_path: Path) -> UltralyticsTraining:
    script = tmp_path / "child.py"
    script.write_text(CHECKER)
    return UltralyticsTraining(Toolchain([sys.executable, str(script)]))


async def test_overrides_that_no_training_takes_are_refused_at_the_start(
    training: UltralyticsTraining,
) -> None:
    """As every other setting is, with the name that was perhaps meant."""
    await check_overrides(training, {"lr0": 0.1})

    with pytest.raises(PermanentError, match=r"trainer\.overrides: lr0 takes something else"):
        await check_overrides(training, {"lr0": 7})
    with pytest.raises(PermanentError) as caught:
        await check_overrides(training, {"lr00": 0.1})
    assert (caught.value.code, caught.value.hint) == ("settings_invalid", "did you mean lr0?")


async def test_the_service_does_not_start_with_them(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody finds out only when a training fails."""
    (tmp_path / "azaion_ultralytics.py").write_text(CHECKER)
    (platform.home / "azaion.yaml").write_text("trainer: {overrides: {lr0: 7}}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("AZAION_TOOLCHAINS__ULTRALYTICS_PYTHON", sys.executable)

    with pytest.raises(PermanentError, match="settings_invalid"):
        await asyncio.wait_for(run(platform), 20)


async def test_a_toolchain_that_is_not_there_yet_refuses_nothing() -> None:
    """It may be installed before the first training; without overrides it is not even asked."""
    missing = UltralyticsTraining(Toolchain(["/nowhere/python"]))

    await check_overrides(missing, {})
    await check_overrides(missing, {"lr0": 7})


def test_a_training_steps_back_where_everything_shares_one_machine(platform: Platform) -> None:
    """Not on servers, and never against a setting."""
    settings = TrainerSettings()
    servers = replace(
        platform, settings=platform.settings.model_copy(update={"jobs_url": "amqp://broker:5672/"})
    )

    assert niceness(platform, settings) == 5
    assert niceness(servers, settings) == 0
    assert niceness(platform, settings.model_copy(update={"niceness": 3})) == 3
