"""``azaion models`` tells what the stream of models tells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from azaion_common.contracts.events import (
    BlobRef,
    ClassMetrics,
    EpochMetrics,
    Lineage,
    Metrics,
    ModelExported,
    ModelRejected,
    ModelTrained,
    Parity,
    TrainingProgress,
    models,
)
from azaion_common.contracts.events.codec import encode
from azaion_common.contracts.events.envelope import wrap
from azaion_common.contracts.events.models import Hardware
from azaion_common.core.errors import PermanentError
from azaion_common.platform.cli import model_records as records_of_models
from azaion_common.platform.cli import models as commands
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import blobs_path, log_path, open_blobs
from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.streams import Message, Record
from azaion_common.platform.streams.sqlite import SqliteEventLog

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
    facts = trained(SECOND).model_dump(exclude={"type", "probe_images", "reason"})
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
    rows = json.loads(run("list", "--home", str(home), "--json"))["models"]

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
        await records_of_models.find_model(home, "c")

    assert refused.value.code == "model_unknown"


@pytest.fixture
async def stored(home: Path) -> Path:
    """The same home with an export, a release and the files in the store."""
    async with open_blobs(home, PlatformSettings()) as blobs, SqliteEventLog.open(log_path(home)) as log:
        checkpoint = await blobs.put(b"a checkpoint", "application/x-pytorch")
        artifact = await blobs.put(b"an ONNX file", "application/onnx")
        known = trained("c" * 16).model_copy(update={"checkpoint": checkpoint, "thresholds": {"car": 0.4}})
        export = ModelExported(
            model_id="c" * 16, target="onnx", imgsz=320, batch=1, artifact=artifact, class_names=("car",),
            class_colours=("#ff0000",), thresholds={"car": 0.31},
            parity=Parity(
                pictures=1, expected=1, matched=1, unexpected=0, min_iou=1, mean_iou=1, max_score_difference=0,
                passed=True,
            ),
        )  # fmt: skip
        events: tuple[ModelTrained | ModelExported, ...] = (known, export)
        for seq, event in enumerate(events, 3):
            envelope = wrap(
                event=event, subject="m", producer="trainer", epoch=1, seq=seq, stream=models.STREAM
            )
            await log.append(models.STREAM, [Message(encode(envelope))])
    return home


@pytest.mark.parametrize(
    ("target", "content", "score"), [("checkpoint", b"a checkpoint", 0.4), ("onnx", b"an ONNX file", 0.31)]
)
def test_a_models_file_comes_out_of_the_store(
    target: str, content: bytes, score: float, stored: Path, tmp_path: Path
) -> None:
    """Checkpoint or export, byte for byte, a file of the user's own, with class names and scores beside it."""
    path = tmp_path / "new" / "model.bin"

    said = json.loads(
        run("get", "latest", "--target", target, "--save", str(path), "--home", str(stored), "--json")
    )

    assert path.read_bytes() == content
    assert path.stat().st_nlink == 1
    facts = json.loads((tmp_path / "new" / "model.bin.json").read_text())
    assert (facts["class_names"], facts["thresholds"]) == (["car"], {"car": score})
    assert said == {"file": str(path), **facts}


@pytest.mark.parametrize("place", ["models/mine.pt", "blobs/mine.pt", "azaion.yaml"])
def test_a_models_file_is_not_put_among_what_the_home_keeps(stored: Path, place: str) -> None:
    """A view, a store or the settings of the home are no place for a copy."""
    with pytest.raises(PermanentError) as refused:
        run("get", "latest", "--save", str(stored / place), "--home", str(stored))

    assert refused.value.code == "target_in_home"
    assert not (stored / place).exists()


def test_an_export_that_there_is_not_is_named(stored: Path, tmp_path: Path) -> None:
    """The error says what there is, and nothing is written."""
    with pytest.raises(PermanentError) as refused:
        run("get", "cc", "--target", "openvino", "--save", str(tmp_path / "x"), "--home", str(stored))

    assert refused.value.code == "export_missing"
    assert "checkpoint, onnx" in refused.value.message
    assert not (tmp_path / "x").exists()


def test_a_place_where_no_model_can_lie_is_one_error(stored: Path, tmp_path: Path) -> None:
    """A file on the way to --save is named; nobody waits for it to go."""
    (tmp_path / "file").write_bytes(b"mine")

    with pytest.raises(PermanentError, match="is a file") as refused:
        run("get", "cc", "--save", str(tmp_path / "file" / "model.pt"), "--home", str(stored))

    assert refused.value.code == "folder_missing"


def test_a_damaged_file_is_not_handed_out(stored: Path, tmp_path: Path) -> None:
    """What the store holds under a hash has to have it; a file that was there before stays."""
    path = tmp_path / "model.pt"
    path.write_bytes(b"mine")
    blob = FileBlobStore(blobs_path(stored)).path(hashlib.sha256(b"a checkpoint").hexdigest())
    blob.chmod(0o600)
    blob.write_bytes(b"another one.")

    with pytest.raises(PermanentError) as refused:
        run("get", "cc", "--save", str(path), "--home", str(stored))

    assert refused.value.code == "blob_corrupt"
    assert path.read_bytes() == b"mine"


async def test_a_long_stream_is_not_read_twice(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a first look through thousands of other events, the next one reads the last of them."""
    epoch = EpochMetrics(epoch=1, epochs=2, metrics={}, loss={}, seconds=1)
    progress = TrainingProgress(run_id="a" * 64, epoch=epoch)
    envelope = wrap(event=progress, subject="m", producer="trainer", epoch=1, seq=9, stream=models.STREAM)
    async with SqliteEventLog.open(log_path(home)) as log:
        await log.append(models.STREAM, [Message(encode(envelope))] * 3000)
    first = await records_of_models.read_models(home)
    offsets, read = list[int](), SqliteEventLog.read

    async def counting(log: SqliteEventLog, *arguments: Any, **options: Any) -> list[Record]:
        found = await read(log, *arguments, **options)
        offsets.extend(record.offset for record in found)
        return found

    monkeypatch.setattr(SqliteEventLog, "read", counting)
    again = await records_of_models.read_models(home)

    assert [each.candidate for each in again] == [each.candidate for each in first]
    assert len(again) == 2
    assert offsets == [3001]


async def test_another_log_in_its_place_is_read_from_its_beginning(home: Path) -> None:
    """What was remembered of a stream that is gone is not told as if it were there."""
    async with SqliteEventLog.open(log_path(home)) as log:
        await log.append(models.STREAM, [Message(b"noise")] * 600)
    await records_of_models.read_models(home)
    log_path(home).unlink()
    async with SqliteEventLog.open(log_path(home)) as log:
        envelope = wrap(
            event=trained("d" * 16), subject="m", producer="t", epoch=1, seq=1, stream=models.STREAM
        )
        await log.append(models.STREAM, [Message(encode(envelope))])

    found = await records_of_models.read_models(home)

    assert [record.candidate.model_id for record in found] == ["d" * 16]
