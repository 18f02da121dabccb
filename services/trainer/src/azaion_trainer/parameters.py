"""What one training is asked to do: the settings, overridden by the job."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from azaion_common.core.errors import PermanentError

DEVICE = r"^(cpu|auto|\d{1,3})$"


class TrainingWishes(BaseModel):
    """What is wanted of a training; what is None is chosen for the machine that it runs on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int | None = Field(default=None, ge=1)
    budget_hours: float | None = Field(default=None, gt=0, le=10_000, allow_inf_nan=False)
    picture_passes: int | None = Field(default=None, ge=1)
    imgsz: int | None = Field(default=None, ge=32, le=4096, multiple_of=32)
    batch: int = Field(ge=1, le=4096)
    architecture: str = Field(min_length=1)
    weights: Path | None = None
    device: str = Field(default="auto", pattern=DEVICE)
    seed: int = Field(default=0, ge=0, lt=2**31)
    threads: int | None = Field(default=None, ge=1, le=1024)
    overrides: dict[str, Any] = Field(default_factory=dict)

    def overridden(self, changes: dict[str, Any]) -> Self:
        """With ``changes``: known names replace a field, all others are the toolchain's.

        Raises:
            PermanentError: ``training_request_invalid``.
        """
        own = {name: value for name, value in changes.items() if name in type(self).model_fields}
        theirs = {name: value for name, value in changes.items() if name not in own}
        fields = {**self.model_dump(), **own}
        fields["overrides"] = {**self.overrides, **own.get("overrides", {}), **theirs}
        try:
            return self.model_validate(fields)
        except ValidationError as error:
            raise _invalid(error) from error

    def with_home(self, home: Path) -> Self:
        """With ``weights`` as an absolute path.

        Raises:
            PermanentError: ``weights_missing``.
        """
        if self.weights is None:
            return self
        weights = (home / self.weights.expanduser()).resolve()
        if not weights.is_file():
            raise PermanentError("weights_missing", f"there is no checkpoint {weights}")
        return self.model_copy(update={"weights": weights})


class TrainingParameters(TrainingWishes):
    """Everything that decides a training besides its dataset. ``overrides`` go to the toolchain as they are."""

    epochs: int = Field(ge=1)
    imgsz: int = Field(ge=32, multiple_of=32)


def run_id_of(job_id: str, body: str) -> str:
    """The id of the run that a job stands for: its digest. A job is bound to one dataset when it first runs."""
    return hashlib.sha256(json.dumps({"body": body, "job_id": job_id}, sort_keys=True).encode()).hexdigest()


def _invalid(error: ValidationError) -> PermanentError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "request"
    return PermanentError("training_request_invalid", f"{where}: {first['msg']}")
