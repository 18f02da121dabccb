"""``azaion dataset`` and ``azaion train``, as a person uses them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from azaion_common.errors import PermanentError
from azaion_common.runtime.platform import Platform
from azaion_trainer import command
from azaion_trainer.adapters.dataset_folder import HardLinkedFolders
from azaion_trainer.certificate import certify
from azaion_trainer.command import parse_settings
from azaion_trainer.dataset import Formation
from azaion_trainer.parameters import run_id_of

Call = Callable[..., Any]


@pytest.fixture
def azaion(tmp_path: Path) -> Call:
    """A function: runs the command line on the home ``tmp_path`` and returns its result."""
    app = typer.Typer()
    command.register(app)

    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(app, [*arguments, "--home", str(tmp_path)])

    return invoke


@pytest.fixture
async def dataset_id(platform: Platform, store_blobs: Call, form: Callable[..., Formation]) -> str:
    await store_blobs([f"p{number:02}" for number in range(20)])
    manifest = form(20).manifest
    await HardLinkedFolders(platform.home / "datasets", platform.blobs).ensure(manifest, certify(manifest))
    return manifest.dataset_id


async def test_datasets_are_listed_shown_and_verified(azaion: Call, dataset_id: str) -> None:
    """By the first digits of their id, or the newest without."""
    assert dataset_id[:16] in azaion("dataset", "list").stdout
    assert json.loads(azaion("dataset", "list", "--json").stdout)[0]["dataset_id"] == dataset_id
    assert json.loads(azaion("dataset", "show", dataset_id[:5], "--json").stdout)["class_names"] == [
        "car",
        "truck",
    ]
    assert "closest pictures across sides" in azaion("dataset", "show").stdout
    assert azaion("dataset", "verify").stdout.endswith(f"dataset {dataset_id[:16]} does not leak\n")


async def test_an_altered_dataset_is_not_verified(azaion: Call, dataset_id: str, tmp_path: Path) -> None:
    """The error of the check leaves the command."""
    next((tmp_path / "datasets" / dataset_id / "images" / "test").iterdir()).unlink()

    result = azaion("dataset", "verify", dataset_id)

    assert isinstance(result.exception, PermanentError)
    assert result.exception.code == "dataset_altered"


def test_an_unknown_dataset_is_named_in_the_error(azaion: Call) -> None:
    """Also when there is none at all."""
    assert azaion("dataset", "show", "abc").exception.code == "dataset_missing"
    assert azaion("dataset", "verify").exception.code == "dataset_missing"


async def test_train_puts_a_job_into_the_queue(platform: Platform, azaion: Call) -> None:
    """The settings arrive as values, and the run id that is printed is the one that the trainer will use."""
    result = await asyncio.to_thread(azaion, "train", "epochs=5", "lr0=0.01", "cos_lr=true", "--json")
    answer = json.loads(result.stdout)

    (job,) = await platform.jobs.pending("trainings")
    assert json.loads(job.body) == {
        "dataset_id": None,
        "overrides": {"epochs": 5, "lr0": 0.01, "cos_lr": True},
    }
    assert answer == {"job_id": job.job_id, "run_id": run_id_of(job.job_id, job.body)}


@pytest.mark.parametrize("pair", ["epochs", "=5", "x=[", "x={a"])
def test_what_is_not_key_and_value_is_refused(pair: str) -> None:
    """One clear line that quotes it."""
    with pytest.raises(PermanentError, match=pair.replace("[", r"\[")) as caught:
        parse_settings([pair])

    assert caught.value.code == "setting_malformed"
