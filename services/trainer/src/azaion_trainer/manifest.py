"""The manifest: everything a dataset is made of, as one file whose SHA-256 is the dataset's id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError

from azaion_common.contracts.events.references import BlobRef, PictureName, Sha256, Value
from azaion_common.core.errors import PermanentError
from azaion_trainer.groups import GroupingRules, Picture
from azaion_trainer.split import Side, SplitPolicy

LeftOutReason = Literal["bridge", "not_augmented"]
MEDIA_TYPE = "application/json"


class DatasetClass(Value):
    """A class as training sees it, with the catalogue's slot of each condition that it stands for (none: unused)."""

    name: str
    colour: str
    slots: dict[str, int]


class DatasetFile(Value):
    """One image that training reads. The labels are those of the catalogue's slots, before they are mapped."""

    name: str
    image: BlobRef
    labels: BlobRef


class DatasetPicture(Value):
    """A picture on its side: the first file is the picture itself, the others are its variants (train only)."""

    name: PictureName
    revision: int = Field(ge=1)
    side: Side
    group: PictureName
    sha256: Sha256
    dhash: str = Field(pattern=r"^[0-9a-f]{16}$")
    media_name: str
    media_time_s: float | None
    files: tuple[DatasetFile, ...] = Field(min_length=1)

    @property
    def picture(self) -> Picture:
        return Picture(self.name, self.sha256, int(self.dhash, 16), self.media_name, self.media_time_s)


class LeftOut(Value):
    """A picture that is not in the dataset, and why."""

    name: PictureName
    reason: LeftOutReason


class Manifest(Value):
    """A dataset. Pictures are in the order of their names; equal content gives equal bytes, hence an equal id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    split_key: str = Field(pattern=r"^[0-9a-f]{64}$")
    gap_s: float
    hash_distance: int
    catalogue_sha256: Sha256
    classes: tuple[DatasetClass, ...]
    stream_offsets: dict[str, int]
    """First offset of each stream that is NOT in the data."""
    left_out: tuple[LeftOut, ...]
    classes_left_out: tuple[str, ...]
    """Classes without an object on the train side: a model cannot learn them, so it does not get them."""
    pictures: Annotated[tuple[DatasetPicture, ...], Field(min_length=1)]

    @property
    def policy(self) -> SplitPolicy:
        return SplitPolicy(bytes.fromhex(self.split_key), GroupingRules(self.gap_s, self.hash_distance))

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.classes)

    @cached_property
    def class_of_slot(self) -> dict[int, int]:
        """Index of the class that each used slot belongs to."""
        return {slot: number for number, each in enumerate(self.classes) for slot in each.slots.values()}

    @cached_property
    def condition_of_slot(self) -> dict[int, str]:
        return {slot: condition for each in self.classes for condition, slot in each.slots.items()}

    @cached_property
    def dataset_id(self) -> str:
        digest = hashlib.sha256()
        for part in self.encode():
            digest.update(part)
        return digest.hexdigest()

    def side(self, side: Side) -> Iterator[DatasetPicture]:
        return (picture for picture in self.pictures if picture.side == side)

    def encode(self) -> Iterator[bytes]:
        """The file in parts: JSON with one picture a line. Written so, a million files need little memory."""
        head = self.model_dump_json(exclude={"pictures"})
        yield head.removesuffix("}").encode() + b',"pictures":[\n'
        for number, picture in enumerate(self.pictures):
            yield (b",\n" if number else b"") + picture.model_dump_json().encode()
        yield b"\n]}\n"


def decode_manifest(data: bytes) -> Manifest:
    """The manifest in ``data``.

    Raises:
        PermanentError: ``manifest_malformed``.
    """
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PermanentError(
            "manifest_malformed", f"not a dataset manifest: {place}: {first['msg']}"
        ) from error
