"""``azaion models`` tells what the stream of models tells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from azaion_common.cli import models as commands
from azaion_common.errors import PermanentError
from azaion_common.events import BlobRef, ClassMetrics, Lineage, Metrics, ModelRejected, ModelTrained, models
from azaion_common.events.codec import encode
from azaion_common.events.envelope import wrap
from azaion_common.events.models import Hardware
from azaion_common.runtime.transports import log_path
from azaion_common.streams import Message
from azaion_common.streams.sqlite import SqliteEventLog

FIRST, SECOND = "a" * 16, "b" * 16


def trained(model_id: str = FIRST) -> ModelTrained:
    figures = ClassMetrics(map50=0.8, map50_95=0.5, objects=7)
    return ModelTrained(
        model_id=model_id,
        checkpoint=BlobRef(sha256="1" * 64, size_bytes=1, media_type="application/x-pytorch"),
        architecture="yolo11n",
        imgsz=320,
        class_names=("car",),
        class_colours=("#ff0000",),
        metrics=Metrics(
            map50=0.8, map50_95=0.5, per_class={"car": figures}, per_condition={}, pictures=3, evaluator="x"
        ),
        lineage=Lineage(
            dataset_id="2" * 64,
            job_sha256="3" * 64,
            stream_offsets={"azaion.images": 42},
            base_weights_sha256=None,
            parent_model_id=None,
            toolchain={"ultralytics": "8"},
        ),
        train_seconds=1.0,
        hardware=Hardware(device="cpu", name="Testor 9000", threads=2),
        probe_images=(),
    )


def rejected() -> ModelRejected:
    facts = trained(SECOND).model_dump(exclude={"type", "probe_images"})
    return ModelRejected(
        **facts, champion_id=FIRST, reason="not better", difference=-0.1, confidence_interval=(-0.2, 0.0)
    )


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A home whose stream tells of one champion and one rejected model."""
    events: Sequence[ModelTrained | ModelRejected] = (trained(), rejected())
    async with SqliteEventLog.open(log_path(tmp_path)) as log:
        for seq, event in enumerate(events, 1):
            envelope = wrap(
                event=event, subject="m", producer="trainer", epoch=1, seq=seq, stream=models.STREAM
            )
            await log.append(models.STREAM, [Message(encode(envelope))])
    return tmp_path


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.callback()(lambda: None)
    commands.register(app)
    result = CliRunner().invoke(app, ["models", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_every_model_is_listed_with_its_state(home: Path) -> None:
    """A rejected model is told apart from one that was only trained."""
    rows = json.loads(run("list", "--home", str(home), "--json"))

    assert [(row["model_id"], row["state"]) for row in rows] == [(FIRST, "trained"), (SECOND, "rejected")]


def test_a_model_is_found_by_its_first_digits(home: Path) -> None:
    """Everything that was announced about it is shown."""
    facts = json.loads(run("show", "bb", "--home", str(home)))

    assert (facts["model_id"], facts["reason"], facts["metrics"]["map50"]) == (SECOND, "not better", 0.8)


def test_lineage_leads_back_to_the_stream(home: Path) -> None:
    """The dataset, and up to where the annotations are in it, stand under the model."""
    text = run("lineage", "aa", "--home", str(home))

    assert "2" * 64 in text
    assert "azaion.images: everything before offset 42" in text


def test_a_model_says_on_what_it_was_trained(home: Path) -> None:
    """In its lineage for people, in what is shown for machines."""
    shown = json.loads(run("show", "aa", "--home", str(home)))

    assert "on the CPU (Testor 9000, 2 threads)" in run("lineage", "aa", "--home", str(home))
    assert shown["hardware"] == {"device": "cpu", "name": "Testor 9000", "threads": 2}


async def test_an_unknown_model_is_a_clear_error(home: Path) -> None:
    """No model is shown instead of the one that was asked for."""
    with pytest.raises(PermanentError) as refused:
        await commands.find_model(home, "c")

    assert refused.value.code == "model_unknown"
