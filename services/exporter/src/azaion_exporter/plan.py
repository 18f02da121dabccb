"""Which jobs a trained model makes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from azaion_common.contracts.events import ModelTrained
from azaion_common.contracts.jobs import EXPORTS, ExportJob
from azaion_common.core.errors import PermanentError
from azaion_common.platform.ledger.handler import NewJob

ORIGIN_TRAINED = "model.trained"
ORIGIN_COMMAND = "command"


class Target(BaseModel):
    """A format with its fixed input shape; ``imgsz`` None is the size that the model was trained with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Literal["onnx"] = "onnx"
    imgsz: int | None = Field(default=None, ge=32, le=4096, multiple_of=32)
    batch: int = Field(default=1, ge=1, le=256)


def jobs_for(model: ModelTrained, targets: Iterable[Target]) -> list[NewJob]:
    """One job per target; the ids make them the same jobs whenever the event is read again."""
    planned = [export_job(model, target, ORIGIN_TRAINED) for target in targets]
    return [new_job(job, f"{job.model_id}/{job.target}/{job.imgsz}/{job.batch}") for job in planned]


def export_job(model: ModelTrained, target: Target, origin: str) -> ExportJob:
    return ExportJob(
        model_id=model.model_id,
        target=target.target,
        imgsz=target.imgsz or model.imgsz,
        batch=target.batch,
        checkpoint=model.checkpoint,
        probe_images=model.probe_images,
        class_names=model.class_names,
        class_colours=model.class_colours,
        origin=origin,
        thresholds=model.thresholds,
    )


def new_job(job: ExportJob, job_id: str) -> NewJob:
    return NewJob(EXPORTS, job_id, job.model_dump_json())


def parse_target(target: str, overrides: Iterable[str]) -> Target:
    """A target from ``onnx`` and words such as ``imgsz=640``.

    Raises:
        PermanentError: ``override_invalid``.
    """
    fields: dict[str, str] = {"target": target}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or key not in ("imgsz", "batch"):
            raise PermanentError("override_invalid", f"{override!r} is not imgsz=N or batch=N")
        fields[key] = value
    return _validated(fields)


def _validated(fields: Mapping[str, str]) -> Target:
    try:
        return Target.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = first["loc"][0]
        raise PermanentError("override_invalid", f"{where}={fields[str(where)]}: {first['msg']}") from error
