"""One export: make the artefact, compare it with its source, keep it only if they agree."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import Connection

from azaion_common.contracts.events import BlobRef, ExportFailed, ModelExported, Parity
from azaion_common.contracts.events.models import STREAM
from azaion_common.contracts.jobs import ExportJob, parse_body
from azaion_common.core.durable import make_folder
from azaion_common.core.errors import AzaionError, PermanentError
from azaion_common.platform.database.after_commit import after_commit
from azaion_common.platform.jobs import Job
from azaion_common.platform.ledger.handler import Effect, Outgoing
from azaion_common.platform.ledger.worker import Finish
from azaion_common.platform.storage import BlobStore
from azaion_exporter import metrics
from azaion_exporter.parity import compare, parity_threshold
from azaion_exporter.ports import ExportRequest, Opened, Runtime, Source
from azaion_vision.runtimes.outputs import Thresholds

MEDIA_TYPES = {"onnx": "application/onnx"}
_log = structlog.get_logger(__name__)


class ExportDiffersError(PermanentError):
    """The artefact does not find what its source finds; the report says by how much."""

    def __init__(self, parity: Parity, threshold: float) -> None:
        super().__init__(
            "export_differs",
            f"{parity.matched} of {parity.expected} boxes of score {threshold:g} and above match, "
            f"{parity.unexpected} unexpected, min IoU {parity.min_iou:.4f}, "
            f"max score difference {parity.max_score_difference:.5f}",
        )
        self.parity = parity


@dataclass(frozen=True)
class Exporter:
    """Runs jobs of the queue ``exports``. Harmless to repeat: all it writes outside its work folder is one blob."""

    source: Source
    runtime: Runtime
    blobs: BlobStore
    work: Path
    in_graph: Thresholds
    """What is built into the artefact."""
    confidence: float
    """From which score on both sides have to agree."""

    async def run(self, job: Job) -> Finish:
        """Do the export.

        Raises:
            AzaionError: ``export_differs``, ``parity_vacuous``, ``class_names_differ``, or what the toolchain, the
                runtime or the store say.
        """
        wanted = parse_body(ExportJob, job.body, job_id=job.job_id)
        started = time.monotonic()
        async with _work_folder(self.work, job.job_id) as folder:
            event = await self._export(wanted, folder)
        return partial(_exported, event=event, seconds=time.monotonic() - started)

    def failed(self, connection: Connection, job: Job, error: AzaionError) -> Iterable[Effect]:
        """What to say of a job that cannot be done."""
        try:
            wanted = parse_body(ExportJob, job.body, job_id=job.job_id)
        except PermanentError:  # the worker says so
            return []
        after_commit(connection, metrics.EXPORTS.labels(wanted.target, error.code).inc)
        event = ExportFailed(
            model_id=wanted.model_id,
            target=wanted.target,
            code=error.code,
            message=error.message[:2000],
            parity=error.parity if isinstance(error, ExportDiffersError) else None,
        )
        return [Outgoing(STREAM, event, wanted.model_id)]

    async def _export(self, wanted: ExportJob, folder: Path) -> ModelExported:
        if not wanted.probe_images:
            raise PermanentError("parity_vacuous", "the model comes without probe pictures to compare on")
        checkpoint, pictures = await self._fetch(wanted, folder)
        artifact = folder / f"model.{wanted.target}"
        request = ExportRequest(
            checkpoint, wanted.target, wanted.imgsz, wanted.batch, self.in_graph, artifact, properties(wanted)
        )
        facts = await self.source.export(request)
        opened = await self.runtime.open(artifact, pictures, self.in_graph)
        _check_names(wanted, opened)
        parity, threshold = await self._compare(wanted, checkpoint, pictures, opened)
        return ModelExported(
            model_id=wanted.model_id,
            target=wanted.target,
            imgsz=wanted.imgsz,
            batch=wanted.batch,
            artifact=await self.blobs.put_file(artifact, MEDIA_TYPES[wanted.target]),
            parity=parity,
            class_names=wanted.class_names,
            class_colours=wanted.class_colours,
            details={**facts, **opened.details, **self._details(wanted, threshold)},
            thresholds=wanted.thresholds,
        )

    async def _fetch(self, wanted: ExportJob, folder: Path) -> tuple[Path, list[Path]]:
        checkpoint = folder / "checkpoint.pt"
        await self.blobs.fetch(wanted.checkpoint.sha256, checkpoint)
        await asyncio.to_thread(_check_bytes, checkpoint, wanted.checkpoint)
        pictures = [
            folder / f"probe-{index:03d}{_suffix(ref)}" for index, ref in enumerate(wanted.probe_images)
        ]
        for ref, path in zip(wanted.probe_images, pictures, strict=True):
            await self.blobs.fetch(ref.sha256, path)
        return checkpoint, pictures

    async def _compare(
        self, wanted: ExportJob, checkpoint: Path, pictures: Sequence[Path], opened: Opened
    ) -> tuple[Parity, float]:
        reference = await self.source.predict(checkpoint, pictures, wanted.imgsz, self.in_graph)
        threshold = parity_threshold(reference, self.confidence, self.in_graph.confidence)
        parity = compare(reference, opened.detections, threshold)
        metrics.PARITY_MIN_IOU.labels(wanted.target).set(parity.min_iou)
        metrics.PARITY_SCORE_DIFFERENCE.labels(wanted.target).set(parity.max_score_difference)
        if not parity.passed:
            raise ExportDiffersError(parity, threshold)
        return parity, threshold

    def _details(self, wanted: ExportJob, threshold: float) -> dict[str, str]:
        return {
            "origin": wanted.origin,
            "graph_confidence": f"{self.in_graph.confidence:g}",
            "iou": f"{self.in_graph.iou:g}",
            "max_detections": str(self.in_graph.max_detections),
            "parity_confidence": f"{threshold:g}",
        }


def _exported(connection: Connection, *, event: ModelExported, seconds: float) -> Iterable[Effect]:
    facts = {"model": event.model_id, "target": event.target, "matched": event.parity.matched}
    after_commit(connection, metrics.EXPORTS.labels(event.target, "exported").inc)
    after_commit(connection, partial(metrics.EXPORT_SECONDS.labels(event.target).observe, seconds))
    after_commit(connection, partial(_log.info, "export.done", **facts))
    return [Outgoing(STREAM, event, event.model_id)]


def properties(wanted: ExportJob) -> dict[str, str]:
    """What the file itself says of the model, for whoever gets only the file: ``thresholds``, by class id.

    Written as the framework writes its ``names``: a Python literal, ``{0: 0.31}``.
    """
    by_id = {
        class_id: wanted.thresholds[name]
        for class_id, name in enumerate(wanted.class_names)
        if name in wanted.thresholds
    }
    return {"thresholds": str(by_id)} if by_id else {}


def _check_names(wanted: ExportJob, opened: Opened) -> None:
    if opened.class_names != wanted.class_names:
        raise PermanentError(
            "class_names_differ",
            f"the model was trained on {len(wanted.class_names)} classes, its export names "
            f"{len(opened.class_names)} or in another order",
        )


def _check_bytes(path: Path, expected: BlobRef) -> None:
    """A checkpoint is code to the framework that opens it: never open one that is not the one that was trained."""
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != expected.sha256:
            raise PermanentError("blob_corrupt", f"the checkpoint {expected.sha256} has other bytes")


def _suffix(picture: BlobRef) -> str:
    return ".png" if picture.media_type == "image/png" else ".jpg"


@asynccontextmanager
async def _work_folder(work: Path, job_id: str) -> AsyncIterator[Path]:
    """An empty folder of the job's own; what a killed run left in it goes first."""
    folder = work / hashlib.sha256(job_id.encode()).hexdigest()[:16]
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    await asyncio.to_thread(make_folder, folder)
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
