"""Facts about augmented pictures and datasets, on the stream ``azaion.datasets``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from azaion_common.contracts.events.references import BlobRef, PictureName, Sha256, Value

STREAM = "azaion.datasets"


class Variant(Value):
    """One copy of a picture that training may use: ``NAME`` itself (the original) or ``NAME+1`` to ``NAME+7``
    (``NAME_1`` in events of version 0.1).

    ``labels`` is a YOLO text (``slot cx cy w h`` a line, slots of the catalogue): boxes of eight copies would not
    fit into an event.
    """

    name: PictureName
    image: BlobRef
    labels: BlobRef
    boxes: int = Field(ge=0)


class BatchAugmented(Value):
    """The original and all variants of one revision of one picture are stored (all or none)."""

    type: Literal["batch.augmented.v1"] = "batch.augmented.v1"
    name: PictureName
    revision: int = Field(ge=1)
    source_sha256: Sha256
    recipe_sha256: Sha256
    seed: int
    variants: tuple[Variant, ...]


class SideCounts(Value):
    """Pictures on each side of a split (before augmentation), and the files that training reads."""

    train: int = Field(ge=0)
    valid: int = Field(ge=0)
    test: int = Field(ge=0)
    train_files: int = Field(ge=0)
    groups: int = Field(ge=0)


class DatasetFormed(Value):
    """A dataset version exists: its manifest lists every file, its certificate proves that the split cannot leak."""

    type: Literal["dataset.formed.v1"] = "dataset.formed.v1"
    dataset_id: Sha256
    manifest: BlobRef
    certificate: BlobRef
    counts: SideCounts
    class_names: tuple[str, ...]


DatasetsEvent = Annotated[BatchAugmented | DatasetFormed, Field(discriminator="type")]
