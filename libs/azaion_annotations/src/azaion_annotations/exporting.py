"""Writes what the store holds to a folder that other tools, and ``azaion annotations import``, read."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from azaion_annotations.exports import (
    SIDECAR,
    ClassList,
    class_list,
    coco_document,
    sidecar,
    yolo_description,
    yolo_labels,
)
from azaion_annotations.stored import StoredPicture
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.durable import storage_errors
from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.together import all_ended
from azaion_common.platform.storage import BlobStore
from azaion_common.platform.storage.views import suffix_of

FORMATS: Final = ("yolo", "coco")
_AT_ONCE = 16

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written."""

    folder: str
    format: str
    pictures: int
    boxes: int
    boxes_per_class: Mapping[str, int]
    pending: int
    """Annotation messages that the ingestor has not applied yet: what they say is not in the export."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """Exports pictures of one store. ``link``: images are hard links into it, where it is a folder."""

    blobs: BlobStore
    catalogue: Catalogue
    link: bool
    on_progress: Progress

    async def export(
        self, pictures: Sequence[StoredPicture], folder: Path, format_name: str, *, pending: int = 0
    ) -> ExportReport:
        """Write ``pictures`` to the new folder ``folder``; it is there whole or not at all.

        Raises:
            PermanentError: ``format_unknown``, ``folder_exists``, ``nothing_to_export``, ``blob_missing``, ``blob_corrupt``.
            TransientError: ``disk_full``, ``store_unavailable``.
        """
        if format_name not in FORMATS:
            raise PermanentError(
                "format_unknown", f"no format {format_name!r}", hint=f"known: {', '.join(FORMATS)}"
            )
        if not pictures:
            raise PermanentError(
                "nothing_to_export",
                "the store holds no such pictures",
                hint="pictures that no validator has confirmed are taken along with --seed",
            )
        classes = class_list(pictures, self.catalogue)
        files = {each.name: f"{each.name}{_suffix(each)}" for each in pictures}
        async with new_folder(folder) as building:
            await self._place(pictures, building, files)
            writing = _write_yolo if format_name == "yolo" else _write_coco
            with storage_errors(building):
                await asyncio.to_thread(writing, pictures, building, files, classes)
                await asyncio.to_thread(self.catalogue.dump, building / "catalogue.yaml")
                await asyncio.to_thread((building / SIDECAR).write_text, sidecar(pictures), encoding="utf-8")
        return _report(pictures, folder, format_name, classes, pending)

    async def _place(self, pictures: Sequence[StoredPicture], folder: Path, files: Mapping[str, str]) -> None:
        """The images, a few at a time."""
        for first in range(0, len(pictures), _AT_ONCE):
            some = pictures[first : first + _AT_ONCE]
            targets = (folder / "images" / files[each.name] for each in some)
            # A file that is still being placed would outlive the folder.
            await all_ended(self._image(each, target) for each, target in zip(some, targets, strict=True))
            self.on_progress(first + len(some), len(pictures))

    async def _image(self, picture: StoredPicture, target: Path) -> None:
        if self.link:
            await self.blobs.fetch(picture.sha256, target)
            return
        data = await self.blobs.get(picture.sha256)
        with storage_errors(target):
            await asyncio.to_thread(target.write_bytes, data)


async def copy_dataset(source: Path, folder: Path, *, link: bool) -> int:
    """A dataset's own folder, a YOLO set with its split, at another place; the number of its images.

    Raises:
        PermanentError: ``folder_exists``.
        TransientError: ``disk_full``.
    """
    async with new_folder(folder) as building:
        with storage_errors(building):
            copy = _link_or_copy if link else shutil.copyfile
            await asyncio.to_thread(shutil.copytree, source, building, copy_function=copy, dirs_exist_ok=True)
            return await asyncio.to_thread(lambda: sum(1 for _ in (building / "images").rglob("*.*")))


@asynccontextmanager
async def new_folder(folder: Path) -> AsyncIterator[Path]:
    """A folder to build in, which becomes ``folder`` when the block ends well and is gone otherwise.

    Raises:
        PermanentError: ``folder_exists``.
    """
    if await asyncio.to_thread(_is_in_use, folder):
        raise PermanentError("folder_exists", f"{folder} is there already", hint="name a new folder")
    building = folder.with_name(f".{folder.name}.{uuid4().hex}.building")
    with storage_errors(folder):
        await asyncio.to_thread(_make, building)
    try:
        yield building
        with storage_errors(folder):
            await asyncio.to_thread(building.rename, folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, building, ignore_errors=True)


def _is_in_use(folder: Path) -> bool:
    """An empty folder may be taken."""
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))


def _make(building: Path) -> None:
    for part in ("images", "labels"):
        (building / part).mkdir(parents=True)


def _write_yolo(
    pictures: Sequence[StoredPicture], folder: Path, files: Mapping[str, str], classes: ClassList
) -> None:
    for picture in pictures:
        (folder / "labels" / f"{picture.name}.txt").write_text(yolo_labels(picture, classes))
    (folder / "data.yaml").write_text(yolo_description(classes.names), encoding="utf-8")


def _write_coco(
    pictures: Sequence[StoredPicture], folder: Path, files: Mapping[str, str], classes: ClassList
) -> None:
    (folder / "labels").rmdir()
    (folder / "annotations").mkdir()
    document = coco_document(pictures, files, classes)
    (folder / "annotations" / "instances.json").write_text(document, encoding="utf-8")


def _suffix(picture: StoredPicture) -> str:
    return suffix_of(picture.image.media_type) if picture.image else ".jpg"


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _report(
    pictures: Sequence[StoredPicture], folder: Path, format_name: str, classes: ClassList, pending: int
) -> ExportReport:
    boxes = [box for picture in pictures for box in picture.boxes]
    per_class = Counter(classes.names[classes.numbers[box.class_id, box.condition]] for box in boxes)
    return ExportReport(
        str(folder), format_name, len(pictures), len(boxes), dict(per_class.most_common()), pending
    )
