"""Facts from the devices, on the stream ``azaion.devices``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from azaion_common.contracts.events.models import ModelId
from azaion_common.contracts.events.references import Value

STREAM = "azaion.devices"


class ModelLoaded(Value):
    """A device verified, opened and warmed up a release and runs it from now on."""

    type: Literal["model.loaded.v1"] = "model.loaded.v1"
    device: str = Field(max_length=200)
    model_id: ModelId
    release: int = Field(ge=1)
    runtime: str


class ModelLoadFailed(Value):
    """A device refused or could not load a release; what it ran before keeps running."""

    type: Literal["model.load_failed.v1"] = "model.load_failed.v1"
    device: str = Field(max_length=200)
    model_id: ModelId
    release: int = Field(ge=1)
    code: str
    message: str = Field(max_length=2000)


DevicesEvent = Annotated[ModelLoaded | ModelLoadFailed, Field(discriminator="type")]
