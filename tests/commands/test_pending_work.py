"""What is not there yet is told as such: messages and jobs that wait for services, and the command that starts them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from azaion_common.contracts.annotations.wire import STREAM as ANNOTATIONS
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import AzaionError
from azaion_common.platform.cli.pending_work import what_waits
from azaion_common.platform.cli.root import build_app
from azaion_common.platform.runtime.transports import queue_path
from azaion_common.platform.streams import Message
from azaion_common.testing import platform as open_platform

ABSENT = {
    "data export NEW": "nothing_to_export",
    "data export NEW --dataset latest": "dataset_missing",
    "dataset show": "dataset_missing",
    "dataset verify 12": "dataset_missing",
    "train --dataset 12": "dataset_missing",
    "models show latest": "model_unknown",
    "models get latest": "model_unknown",
    "export latest": "model_missing",
    "publish latest": "export_missing",
    "jobs show 12": "run_unknown",
    "infer PICTURE": "no_release",
}
LISTS = ("dataset list", "models list", "dead-letters list")


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """Three messages and a job, and no service that ever ran."""
    async with open_platform(tmp_path / "home") as platform:
        await platform.log.append(ANNOTATIONS, [Message(b"not read yet")] * 3)
        await platform.jobs.put("trainings", "job-1", "{}")
    Catalogue.from_names(["car"]).dump(tmp_path / "home" / "catalogue.yaml")
    return tmp_path / "home"


def run(home: Path, command: str) -> Result:
    Image.new("RGB", (64, 64)).save(home.parent / "picture.png")
    words = command.replace("NEW", str(home.parent / "new")).replace(
        "PICTURE", str(home.parent / "picture.png")
    )
    return CliRunner().invoke(build_app(), [*words.split(), "--home", str(home)])


@pytest.mark.parametrize("command", ABSENT)
def test_what_is_not_there_says_what_waits(home: Path, command: str) -> None:
    """A command that does not find something says how many messages and jobs wait, and that azaion up works on them."""
    error = run(home, command).exception

    assert isinstance(error, AzaionError)
    assert error.code == ABSENT[command]
    assert "3 messages wait to be ingested and 1 job is queued: azaion up works on them" in (error.hint or "")


@pytest.mark.parametrize("command", LISTS)
def test_a_list_of_nothing_says_what_waits(home: Path, command: str) -> None:
    """An empty list says that there is something to come."""
    result = run(home, command)

    assert result.exit_code == 0
    assert "3 messages wait to be ingested" in result.stderr
    assert "messages" not in result.stdout


async def test_where_nothing_waits_nothing_is_said_or_made(tmp_path: Path) -> None:
    """A home without messages has no word of them, and no queue is made by looking for jobs."""
    async with open_platform(tmp_path) as platform:
        await platform.log.append("azaion.models", [Message(b"another stream")])
    queue_path(tmp_path).unlink()

    assert await what_waits(tmp_path) is None
    assert not queue_path(tmp_path).exists()
