"""Which exports are published. Pure."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from azaion_common.contracts.events import BlobRef, ModelExported
from azaion_common.contracts.events.models import ScoreThresholds
from azaion_common.core.errors import PermanentError
from azaion_common.platform.jobs import Job
from azaion_common.platform.ledger.handler import NewJob

QUEUE = "publications"
ORIGIN_COMMAND = "command"


class PublishJob(BaseModel):
    """Everything that a publication needs to know; the body of a job in the queue ``publications``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_id: str
    target: str
    imgsz: int
    batch: int
    artifact: BlobRef
    class_names: tuple[str, ...]
    class_colours: tuple[str, ...]
    thresholds: ScoreThresholds = Field(default_factory=dict)


def publish_job(export: ModelExported) -> PublishJob:
    """What to publish of ``export``.

    Raises:
        PermanentError: ``export_unproven`` when it was not compared with its source, or differs from it.
    """
    if not export.parity.passed:
        raise PermanentError(
            "export_unproven", f"the export of {export.model_id} to {export.target} does not equal its source"
        )
    return PublishJob(
        model_id=export.model_id,
        target=export.target,
        imgsz=export.imgsz,
        batch=export.batch,
        artifact=export.artifact,
        class_names=export.class_names,
        class_colours=export.class_colours,
        thresholds=export.thresholds,
    )


def is_automatic(export: ModelExported) -> bool:
    """An export that somebody asked for by hand, of an older model perhaps, does not become the newest release."""
    return export.details.get("origin") != ORIGIN_COMMAND


def job_for(export: ModelExported) -> NewJob:
    """The job of an export; its id makes it the same job whenever the event is read again."""
    job = publish_job(export)
    return new_job(job, f"{job.model_id}/{job.target}/{job.imgsz}/{job.batch}/{job.artifact.sha256[:16]}")


def new_job(job: PublishJob, job_id: str) -> NewJob:
    return NewJob(QUEUE, job_id, job.model_dump_json())


def parse_job(job: Job) -> PublishJob:
    """Raises: PermanentError ``job_invalid``."""
    try:
        return PublishJob.model_validate_json(job.body)
    except ValidationError as error:
        raise PermanentError("job_invalid", f"job {job.job_id}: {error.errors()[0]['msg']}") from error
