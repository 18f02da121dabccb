"""One training run, from a job to a model that is better than the champion, or to the reason why there is none.

Everything on the way may be interrupted and repeated: the job is bound to its dataset and parameters when it first
starts, the toolchain resumes in the run's own folder, and what the run leads to is one transaction at its end.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import Connection

from azaion_common.contracts.events import (
    Candidate,
    EpochMetrics,
    Lineage,
    ModelRejected,
    ModelTrained,
    TrainingFailed,
    TrainingProgress,
    TrainingStarted,
    models,
)
from azaion_common.contracts.jobs import TrainingJob, parse_body
from azaion_common.core.durable import make_folder
from azaion_common.core.errors import AzaionError, PermanentError
from azaion_common.platform.database.after_commit import after_commit
from azaion_common.platform.jobs import Job
from azaion_common.platform.ledger.handler import Effect, Outgoing
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.storage import BlobStore
from azaion_trainer import metrics, runs
from azaion_trainer.champion import FIRST, Verdict, compare
from azaion_trainer.evaluation import Evaluation
from azaion_trainer.forming import DatasetFormer, FormedDataset, train_files
from azaion_trainer.gate import GateRules, objection, remark
from azaion_trainer.manifest import Manifest
from azaion_trainer.measuring import Bench, probe_images
from azaion_trainer.parameters import TrainingParameters, TrainingWishes, run_id_of
from azaion_trainer.plan import Prospect, plan_training
from azaion_trainer.ports import TrainedCheckpoint, TrainingToolchain

CHECKPOINT_MEDIA_TYPE = "application/x-pytorch"
MODEL_ID_DIGITS = 16
PROBE_IMAGES = 16
MAX_CURVE_POINTS = 200

Finish = Callable[[Connection], Iterable[Effect]]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """A run with everything that it is bound to."""

    run_id: str
    manifest: Manifest
    data_folder: Path
    parameters: TrainingParameters
    workdir: Path


@dataclass(frozen=True, slots=True)
class Trainer:
    """Works on the queue ``trainings``."""

    ledger: Ledger
    blobs: BlobStore
    toolchain: TrainingToolchain
    former: DatasetFormer
    bench: Bench
    defaults: TrainingWishes
    tolerance: float
    gate: GateRules
    home: Path

    async def run(self, job: Job) -> Finish:
        """Do a job; returns what ends it. Harmless to repeat after a kill at any point.

        Raises:
            AzaionError: ``training_request_invalid``, ``weights_missing``, as the dataset and the toolchain say:
                ``bad_job``, ``device_unavailable``…
        """
        await self.sweep()
        run = await self._begin(job)
        trained = await self._train(run)
        return await self._judge(run, trained)

    def failed(self, connection: Connection, job: Job, error: AzaionError) -> Iterable[Effect]:
        """What ends a job that cannot succeed."""
        run_id = run_id_of(job.job_id, job.body)
        self._end(connection, run_id, "failed")
        after_commit(connection, metrics.RUNS.labels("failed").inc)
        event = TrainingFailed(run_id=run_id, code=error.code, message=error.message[:2000])
        return [Outgoing(models.STREAM, event, run_id)]

    def _end(
        self, connection: Connection, run_id: str, state: runs.State, model_id: str | None = None
    ) -> None:
        """The run is over; its folder goes with it: it is large, and what counts is in the blob store."""
        runs.end_run(connection, run_id, state, model_id)
        after_commit(connection, partial(shutil.rmtree, self._workdir(run_id), ignore_errors=True))

    async def sweep(self) -> None:
        """Remove the folders of runs at whose end the process was killed."""
        for run_id in await self.ledger.read(runs.ended_runs):
            await asyncio.to_thread(shutil.rmtree, self._workdir(run_id), ignore_errors=True)

    def _workdir(self, run_id: str) -> Path:
        return self.home / "training" / run_id[:MODEL_ID_DIGITS]

    async def _begin(self, job: Job) -> Run:
        """Bind the job to a dataset and parameters, or find what it is bound to; tells of the start once."""
        run_id = run_id_of(job.job_id, job.body)
        bound = await self.ledger.read(lambda connection: runs.find_run(connection, run_id))
        if bound is not None:
            dataset_id, parameters = bound
            dataset = await self.former.load(dataset_id)
        else:
            dataset, parameters = await self._bind(job, run_id)
        folder = await self.former.folders.ensure(dataset.manifest, dataset.certificate)
        workdir = self._workdir(run_id)
        await asyncio.to_thread(make_folder, workdir)
        return Run(run_id, dataset.manifest, folder, parameters, workdir)

    async def _bind(self, job: Job, run_id: str) -> tuple[FormedDataset, TrainingParameters]:
        request = parse_body(TrainingJob, job.body, job_id=job.job_id, code="training_request_invalid")
        wishes = self.defaults.overridden(request.overrides).with_home(self.home)
        prospect = await self.toolchain.probe(wishes)
        dataset = await (self.former.load(request.dataset_id) if request.dataset_id else self.former.form())
        started, parameters = self._plan(run_id, dataset, wishes, prospect)
        facts = {"run": run_id, "dataset": started.dataset_id, "notes": started.notes}

        def bind(connection: Connection) -> None:
            dataset.register(connection)
            runs.begin_run(connection, run_id, job.job_id, started.dataset_id, parameters)
            self.ledger.emit(connection, [Outgoing(models.STREAM, started, run_id)])
            after_commit(connection, partial(_log.info, "training.started", **facts))

        await self.ledger.transact(bind)
        return dataset, parameters

    def _plan(
        self, run_id: str, dataset: FormedDataset, wishes: TrainingWishes, prospect: Prospect
    ) -> tuple[TrainingStarted, TrainingParameters]:
        manifest, sides = dataset.manifest, dataset.certificate.pictures
        plan = plan_training(
            wishes, prospect, train_files=train_files(manifest), valid_pictures=sides["valid"]
        )
        few = remark(dataset.certificate.groups["test"], sides["test"], self.gate)
        started = TrainingStarted(
            run_id=run_id,
            dataset_id=manifest.dataset_id,
            epochs=plan.parameters.epochs,
            imgsz=plan.parameters.imgsz,
            batch=plan.parameters.batch,
            hardware=prospect.hardware,
            estimated_seconds=plan.estimated_seconds,
            notes=(*plan.notes, *([few] if few else [])),
        )
        return started, plan.parameters

    async def _train(self, run: Run) -> TrainedCheckpoint:
        _log.info(
            "training.running", run=run.run_id, dataset=run.manifest.dataset_id, epochs=run.parameters.epochs
        )
        metrics.EPOCHS.set(run.parameters.epochs)

        async def on_epoch(point: EpochMetrics) -> None:
            for name, value in point.metrics.items():
                metrics.QUALITY.labels(name).set(value)
            await self._tell(run.run_id, [point])

        try:
            trained = await self.toolchain.train(
                run.data_folder / "data.yaml", run.workdir / "train", run.parameters, on_epoch
            )
        finally:
            for gauge in (metrics.EPOCH, metrics.EPOCHS, metrics.GPU_MEMORY):
                gauge.set(0)
        if trained.hardware:
            metrics.show_hardware(trained.hardware)
        await self._tell(run.run_id, trained.curves)
        return trained

    async def _tell(self, run_id: str, points: Sequence[EpochMetrics]) -> None:
        """Publish each epoch once, also those that ended while nobody listened (killed between two lines)."""

        def tell(connection: Connection) -> None:
            new = [point for point in points if runs.add_epoch(connection, run_id, point)]
            events = [TrainingProgress(run_id=run_id, epoch=point) for point in new]
            self.ledger.emit(connection, [Outgoing(models.STREAM, event, run_id) for event in events])

        await self.ledger.transact(tell)

    async def _judge(self, run: Run, trained: TrainedCheckpoint) -> Finish:
        """Measure the model, and the champion on the same pictures, and decide between them."""
        evaluation = await self._measure(
            run, trained.path, run.manifest.class_names, run.parameters.imgsz, "model", thresholds=True
        )
        champion = await self.ledger.read(runs.champion)
        candidate = await self._candidate(run, trained, evaluation, champion)
        verdict = await self._verdict(run, evaluation, champion)
        if verdict.promoted:
            return await self._promotion(run, candidate, verdict)
        return self._rejection(run, candidate, champion, verdict)

    async def _verdict(self, run: Run, evaluation: Evaluation, champion: ModelTrained | None) -> Verdict:
        """What every model has to reach, then the champion; with a word on a test side that is too small."""
        groups = len({picture.group for picture in run.manifest.side("test")})
        verdict = await self._compare(run, evaluation, champion) if champion else FIRST
        if against := objection(evaluation.metrics, groups, self.gate):
            return replace(verdict, promoted=False, reason=against)
        few = remark(groups, evaluation.metrics.pictures, self.gate)
        return replace(verdict, reason=f"{verdict.reason}; {few}") if few else verdict

    async def _measure(
        self,
        run: Run,
        checkpoint: Path,
        class_names: Sequence[str],
        imgsz: int,
        name: str,
        *,
        thresholds: bool = False,
    ) -> Evaluation:
        return await self.bench.measure(
            checkpoint,
            run.manifest,
            run.data_folder,
            class_names=class_names,
            imgsz=imgsz,
            device=run.parameters.device,
            output=run.workdir / f"{name}.jsonl",
            thresholds=thresholds,
        )

    async def _compare(self, run: Run, evaluation: Evaluation, champion: ModelTrained) -> Verdict:
        """The champion is measured anew: its own figures may rest on other pictures."""
        checkpoint = run.workdir / "champion.pt"
        await self.blobs.fetch(champion.checkpoint.sha256, checkpoint)
        other = await self._measure(run, checkpoint, champion.class_names, champion.imgsz, "champion")
        groups = [picture.group for picture in run.manifest.side("test")]
        seed = int(run.run_id[:8], 16)
        return await asyncio.to_thread(
            compare, evaluation, other, groups, tolerance=self.tolerance, seed=seed
        )

    async def _candidate(
        self, run: Run, trained: TrainedCheckpoint, evaluation: Evaluation, champion: ModelTrained | None
    ) -> Candidate:
        checkpoint = await self.blobs.put_file(trained.path, CHECKPOINT_MEDIA_TYPE)
        points = await self.ledger.read(lambda connection: runs.curves(connection, run.run_id))
        weights = run.parameters.weights
        lineage = Lineage(
            dataset_id=run.manifest.dataset_id,
            job_sha256=run.run_id,
            stream_offsets=run.manifest.stream_offsets,
            base_weights_sha256=await asyncio.to_thread(_sha256, weights) if weights else None,
            parent_model_id=champion.model_id if champion else None,
            toolchain=trained.versions,
        )
        return Candidate(
            model_id=checkpoint.sha256[:MODEL_ID_DIGITS],
            checkpoint=checkpoint,
            architecture=run.parameters.architecture,
            imgsz=run.parameters.imgsz,
            class_names=run.manifest.class_names,
            class_colours=tuple(each.colour for each in run.manifest.classes),
            metrics=evaluation.metrics,
            lineage=lineage,
            curves=tuple(thinned(points, MAX_CURVE_POINTS)),
            train_seconds=trained.train_seconds,
            hardware=trained.hardware,
            thresholds=dict(evaluation.thresholds),
        )

    async def _promotion(self, run: Run, candidate: Candidate, verdict: Verdict) -> Finish:
        probes = probe_images(run.manifest, PROBE_IMAGES)
        model = ModelTrained(**dict(candidate), probe_images=probes, verdict=verdict.reason)
        facts = {"model": model.model_id, "map50": model.metrics.map50, "reason": verdict.reason}
        shown = self.home / "models" / f"{model.model_id}.pt"
        await asyncio.to_thread(make_folder, shown.parent)
        await self.blobs.fetch(model.checkpoint.sha256, shown)

        def finish(connection: Connection) -> Iterable[Effect]:
            runs.crown(connection, model)
            self._end(connection, run.run_id, "trained", model.model_id)
            after_commit(connection, metrics.RUNS.labels("trained").inc)
            after_commit(connection, partial(metrics.CHAMPION_MAP.set, model.metrics.map50_95))
            after_commit(connection, partial(metrics.TRAIN_SECONDS.inc, candidate.train_seconds))
            after_commit(connection, partial(_log.info, "model.trained", **facts))
            return [Outgoing(models.STREAM, model, model.model_id)]

        return finish

    def _rejection(
        self, run: Run, candidate: Candidate, champion: ModelTrained | None, verdict: Verdict
    ) -> Finish:
        champion_id = champion.model_id if champion else None
        rejected = ModelRejected(
            **dict(candidate),
            champion_id=champion_id,
            reason=verdict.reason,
            difference=verdict.difference,
            confidence_interval=verdict.interval,
        )
        facts = {"model": rejected.model_id, "champion": champion_id, "reason": verdict.reason}

        def finish(connection: Connection) -> Iterable[Effect]:
            self._end(connection, run.run_id, "rejected", rejected.model_id)
            after_commit(connection, metrics.RUNS.labels("rejected").inc)
            after_commit(connection, partial(metrics.TRAIN_SECONDS.inc, candidate.train_seconds))
            after_commit(connection, partial(_log.info, "model.rejected", **facts))
            return [Outgoing(models.STREAM, rejected, rejected.model_id)]

        return finish


def thinned(points: Sequence[EpochMetrics], limit: int) -> list[EpochMetrics]:
    """At most ``limit`` points, evenly spread, with the first and the last: an event has a limited size."""
    if len(points) <= limit:
        return list(points)
    return [points[round(number * (len(points) - 1) / (limit - 1))] for number in range(limit)]


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PermanentError("weights_missing", f"cannot read {path}: {error.strerror}") from error
