"""References to bytes kept elsewhere: events carry these, never the bytes themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_CLASSES = 1000
"""As many as a catalogue may have slots."""

MAX_NAME = 64
"""Characters of the name of a class or condition."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Value(BaseModel):
    """A frozen value inside an event. Fields of newer producers are ignored, not refused."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class BlobRef(Value):
    """Bytes in the blob store: found by their SHA-256, checked against it."""

    sha256: Sha256
    size_bytes: int = Field(ge=0)
    media_type: str = Field(max_length=100)


class Box(Value):
    """One labelled object: base class and condition from the catalogue, centre form, relative to the picture (0-1)."""

    class_id: int = Field(ge=0, lt=MAX_CLASSES)
    condition: str = Field(default="Norm", max_length=MAX_NAME)
    cx: float = Field(ge=0, le=1)
    cy: float = Field(ge=0, le=1)
    w: float = Field(gt=0, le=1)
    h: float = Field(gt=0, le=1)


Boxes = Annotated[tuple[Box, ...], Field(max_length=2000)]
PictureName = Annotated[str, Field(min_length=1, max_length=200)]
