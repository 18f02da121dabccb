"""Which exports are published. Pure."""

from __future__ import annotations

from azaion_common.contracts.events import ModelExported
from azaion_common.contracts.jobs import PUBLICATIONS, PublishJob
from azaion_common.core.errors import PermanentError
from azaion_common.platform.ledger.handler import NewJob

ORIGIN_COMMAND = "command"


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
    return NewJob(PUBLICATIONS, job_id, job.model_dump_json())
