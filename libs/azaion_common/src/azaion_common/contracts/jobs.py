"""Jobs: what services are asked to do. One queue for each kind, and the body that its jobs have (JSON).

- Job ids are idempotency keys: a queue accepts each id once. A job made from an event gets its id from the event's content.
- A body states all that the work needs: a worker looks nothing up that may have changed since.
- Bodies refuse unknown fields: a job that a worker cannot read whole is refused, and nothing of it is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from azaion_common.contracts.events.models import ScoreThresholds
from azaion_common.contracts.events.references import BlobRef, Sha256
from azaion_common.core.errors import PermanentError

TRAININGS = "trainings"
EXPORTS = "exports"
PUBLICATIONS = "publications"


class JobBody(BaseModel):
    """What the bodies of all queues have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainingJob(JobBody):
    """Train on a dataset (None: form one of what is there now) with ``key=value`` settings. In ``trainings``."""

    dataset_id: Sha256 | None = None
    overrides: dict[str, Any] = Field(default_factory=dict)


class ExportJob(JobBody):
    """Export a checkpoint to one target, and compare the two. In ``exports``."""

    model_id: str
    target: str
    imgsz: int
    batch: int
    checkpoint: BlobRef
    probe_images: tuple[BlobRef, ...]
    class_names: tuple[str, ...]
    class_colours: tuple[str, ...]
    origin: str
    """What asked for it: only exports of freshly trained models are published without being told to."""
    thresholds: ScoreThresholds = Field(default_factory=dict)


class PublishJob(JobBody):
    """Seal an export and release it. In ``publications``."""

    model_id: str
    target: str
    imgsz: int
    batch: int
    artifact: BlobRef
    class_names: tuple[str, ...]
    class_colours: tuple[str, ...]
    thresholds: ScoreThresholds = Field(default_factory=dict)


BODIES: Mapping[str, type[JobBody]] = {TRAININGS: TrainingJob, EXPORTS: ExportJob, PUBLICATIONS: PublishJob}
QUEUES = tuple(BODIES)

Body = TypeVar("Body", bound=JobBody)


def parse_body(body: type[Body], text: str, *, job_id: str, code: str = "job_invalid") -> Body:
    """The body of the job ``job_id``.

    Raises:
        PermanentError: ``code``.
    """
    try:
        return body.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise PermanentError(code, f"job {job_id}: {where}: {first['msg']}") from error
