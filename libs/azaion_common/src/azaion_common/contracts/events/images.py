"""Facts about annotated pictures, written by the ingestor to the stream ``azaion.images``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from azaion_common.contracts.events.references import BlobRef, Boxes, PictureName, Sha256, Value

STREAM = "azaion.images"


class ImageSaved(Value):
    """A picture and its labels are stored: newly created, or edited (then ``revision`` is higher than before)."""

    type: Literal["image.saved.v1"] = "image.saved.v1"
    name: PictureName
    revision: int = Field(ge=1)
    image: BlobRef
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    boxes: Boxes
    validated: bool
    """True for pictures in ``data/`` (a validator's word), False for ``data-seed/``."""
    media_name: str = Field(default="", max_length=500)
    """The recording that the picture was taken from; empty when unknown."""
    media_time_s: float | None = None
    dhash: str = Field(pattern=r"^[0-9a-f]{16}$")
    """64-bit difference hash of the picture, for finding near-duplicates."""
    created_at: datetime


class ImageValidated(Value):
    """A validator confirmed a seed picture: it now counts for training."""

    type: Literal["image.validated.v1"] = "image.validated.v1"
    name: PictureName
    revision: int = Field(ge=1)


class ImageDeleted(Value):
    """A picture was deleted: it must not be used any more."""

    type: Literal["image.deleted.v1"] = "image.deleted.v1"
    name: PictureName


class ImageQuarantined(Value):
    """An annotation could not be used; its bytes are kept, with the reason."""

    type: Literal["image.quarantined.v1"] = "image.quarantined.v1"
    name: str | None = Field(default=None, max_length=1000)
    reason: str = Field(max_length=100)
    message: str = Field(max_length=1000)
    raw_sha256: Sha256
    stream: str
    offset: int


ImagesEvent = Annotated[
    ImageSaved | ImageValidated | ImageDeleted | ImageQuarantined, Field(discriminator="type")
]
