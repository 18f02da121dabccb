"""Exports: what is announced, what is refused, and that a repeated job does no harm."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import MetaData, create_engine

from azaion_common.contracts.events import Event, ExportFailed, ModelExported
from azaion_common.contracts.events.models import STREAM
from azaion_common.contracts.jobs import EXPORTS
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.cli.model_events import contents
from azaion_common.platform.database.engine import sqlite_url
from azaion_common.platform.jobs import Job
from azaion_common.platform.ledger.handler import Delivery, Outgoing
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.relay import Relay
from azaion_common.platform.ledger.worker import JobWorker
from azaion_common.platform.runtime.transports import blobs_path
from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.streams import Record
from azaion_exporter.command import answers, find_trained, outcome
from azaion_exporter.exporting import ExportDiffersError
from azaion_exporter.handlers import Planner
from azaion_exporter.plan import (
    ORIGIN_COMMAND,
    ORIGIN_TRAINED,
    Target,
    export_job,
    jobs_for,
    new_job,
    parse_target,
)


def job_of(bench: Any, **changes: Any) -> Job:
    planned = jobs_for(bench.model.model_copy(update=changes), [Target()])[0]
    return Job(planned.queue, planned.job_id, planned.body, attempt=1)


def delivery(event: Event) -> Any:
    return Delivery(Record(STREAM, 0, b"", {}, datetime.now(UTC)), event)


def announced(finish: Any) -> Any:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        (effect,) = finish(connection)
    engine.dispose()
    assert isinstance(effect, Outgoing)
    assert effect.stream == STREAM
    return effect.event


async def test_an_export_that_equals_its_source_is_announced(bench: Any) -> None:
    """The event names the stored artefact, the comparison and what was built in."""
    event = announced(await bench.exporter.run(job_of(bench)))

    assert isinstance(event, ModelExported)
    assert await bench.platform.blobs.get(event.artifact.sha256) == b"onnx of checkpoint"
    assert (event.target, event.imgsz, event.batch) == ("onnx", 320, 1)
    assert event.parity.passed
    assert (event.parity.pictures, event.parity.expected) == (2, 4)
    assert event.details == {
        "opset": "18", "onnxruntime": "fake", "origin": "model.trained", "graph_confidence": "0.001", "iou": "0.7",
        "max_detections": "300", "parity_confidence": "0.25",
    }  # fmt: skip


async def test_the_thresholds_of_a_model_travel_with_its_export(bench: Any) -> None:
    """By class name in the event, and by class id in the file itself, for whoever gets only the file."""
    event = announced(await bench.exporter.run(job_of(bench, thresholds={"truck": 0.31})))

    assert event.thresholds == {"truck": 0.31}
    assert bench.source.requests[0].properties == {"thresholds": "{1: 0.31}"}


async def test_an_export_that_differs_is_refused_with_the_figures(bench: Any) -> None:
    """Nothing is stored; the failure says by how much it differs."""
    bench.runtime.found = bench.source.found.select([0])

    with pytest.raises(ExportDiffersError, match="2 of 4 boxes") as caught:
        await bench.exporter.run(job_of(bench))

    event = announced(lambda connection: bench.exporter.failed(connection, job_of(bench), caught.value))
    assert event.type == "export.failed.v1"
    assert event.code == "export_differs"
    assert event.parity.matched == 2
    known = {blob.sha256 async for blob in bench.platform.blobs.list()}
    assert known == {bench.model.checkpoint.sha256, *(image.sha256 for image in bench.model.probe_images)}


async def test_a_model_without_probe_pictures_is_refused(bench: Any) -> None:
    """A comparison on no picture would prove nothing."""
    with pytest.raises(PermanentError, match="parity_vacuous"):
        await bench.exporter.run(job_of(bench, probe_images=()))


async def test_an_export_that_names_other_classes_is_refused(bench: Any) -> None:
    """The file's own class names are those that the model was trained on."""
    bench.runtime.names = ("truck", "car")

    with pytest.raises(PermanentError, match="class_names_differ"):
        await bench.exporter.run(job_of(bench))


async def test_a_checkpoint_with_other_bytes_never_reaches_the_framework(bench: Any) -> None:
    """Opening a checkpoint runs what is in it."""
    stored = FileBlobStore(blobs_path(bench.platform.home)).path(bench.model.checkpoint.sha256)
    stored.chmod(0o600)
    stored.write_bytes(b"hostile!!!")

    with pytest.raises(PermanentError, match="blob_corrupt"):
        await bench.exporter.run(job_of(bench))

    assert bench.source.requests == []


async def test_a_failure_of_the_framework_is_passed_on_and_the_folder_goes(bench: Any) -> None:
    """The toolchain's own code is what the event says; no work is left lying about."""
    bench.source.error = PermanentError("checkpoint_unreadable", "truncated")

    with pytest.raises(PermanentError, match="checkpoint_unreadable"):
        await bench.exporter.run(job_of(bench))

    assert not any(folder.exists() for folder in bench.source.folders)


async def test_leftovers_of_a_killed_run_do_not_disturb_the_next(bench: Any) -> None:
    """The same job done twice, the first time only half, ends the same."""
    bench.source.error = TransientError("out_of_memory", "killed")
    with pytest.raises(TransientError):
        await bench.exporter.run(job_of(bench))
    (bench.source.folders[0]).mkdir(parents=True)
    (bench.source.folders[0] / "model.onnx").write_bytes(b"half")
    bench.source.error = None

    event = announced(await bench.exporter.run(job_of(bench)))

    assert isinstance(event, ModelExported)
    assert await bench.platform.blobs.get(event.artifact.sha256) == b"onnx of checkpoint"


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"model_id": 1}'])
async def test_a_job_that_is_none_ends_without_an_event(bench: Any, body: str) -> None:
    """Nonsense in the queue is refused with a code and does not end the worker."""
    job = Job(EXPORTS, "x", body, attempt=1)

    with pytest.raises(PermanentError, match="job_invalid") as caught:
        await bench.exporter.run(job)

    assert list(bench.exporter.failed(None, job, caught.value)) == []


async def test_a_trained_model_makes_one_job_per_target_whenever_it_is_read(bench: Any) -> None:
    """Reading the event again makes the same jobs, which the queue takes once; other events make none."""
    planner: Any = Planner((Target(), Target(imgsz=640, batch=4)))

    first, again = [list(planner.apply_one(None, delivery(bench.model), None)) for _ in range(2)]

    assert first == again
    assert len({job.job_id for job in first}) == 2
    exported = announced(await bench.exporter.run(job_of(bench)))
    assert list(planner.apply_one(None, delivery(exported), None)) == []


async def test_through_the_queue_an_export_is_announced_once(bench: Any, tmp_path: Any) -> None:
    """Put twice, run by a worker on a real ledger: one event."""
    planned = jobs_for(bench.model, [Target()])[0]
    for _ in range(2):
        await bench.platform.jobs.put(planned.queue, planned.job_id, planned.body)
    async with Ledger.open(sqlite_url(tmp_path / "l.sqlite"), "exporter", MetaData()) as ledger:
        worker = JobWorker(
            jobs=bench.platform.jobs, ledger=ledger, queue=EXPORTS,
            run=bench.exporter.run, failed=bench.exporter.failed,
        )  # fmt: skip
        running = asyncio.create_task(worker.run(bench.platform.stopping))
        async with asyncio.timeout(10):
            while await bench.platform.jobs.pending(EXPORTS):
                await asyncio.sleep(0.02)
        bench.platform.stopping.set()
        await running
        await Relay(ledger, bench.platform.log, bench.platform.jobs).flush()

    events = contents(await bench.platform.log.read(STREAM))
    assert [event.type for event in events] == ["model.exported.v1"]
    assert (await find_missing(bench)) == "model_missing"


async def find_missing(bench: Any) -> str:
    try:
        await find_trained(bench.platform.log, "latest")
    except PermanentError as error:
        return error.code
    return "found"


async def test_the_outcome_of_a_command_is_recognised(bench: Any) -> None:
    """Waiting ends with the event of this model, target, size and batch, and a failure is an error."""
    job = export_job(bench.model, Target(imgsz=640), ORIGIN_COMMAND)
    planned = new_job(job, "by hand")
    event = announced(await bench.exporter.run(Job(planned.queue, planned.job_id, planned.body, 1)))
    failure = ExportFailed(model_id=job.model_id, target="onnx", code="export_differs", message="by much")

    assert answers(event, job)
    assert not answers(event, export_job(bench.model, Target(), ORIGIN_TRAINED))
    assert "4 of 4 boxes match" in outcome(event)
    assert event.details["origin"] == "command"
    assert answers(failure, job)
    with pytest.raises(PermanentError, match="export_differs"):
        outcome(failure)


def test_overrides_are_understood_or_refused() -> None:
    """``imgsz=`` and ``batch=`` are the only words, and their values have limits."""
    assert parse_target("onnx", ["imgsz=640", "batch=8"]) == Target(imgsz=640, batch=8)
    for target, words in (
        ("onnx", ["imgsz=100"]),
        ("onnx", ["batch=0"]),
        ("onnx", ["x=1"]),
        ("onnx", ["imgsz"]),
        ("rknn", []),
    ):
        with pytest.raises(PermanentError, match="override_invalid"):
            parse_target(target, words)
