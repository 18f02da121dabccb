"""Pictures and boxes in the forms of other tools: what is written is what an import reads back, number for number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from azaion_annotations.stored import StoredPicture
from azaion_common.contracts.catalogue import Catalogue

SIDECAR = "pictures.jsonl"
"""What the forms have no place for: the recording, the time, who has the last word; one JSON object a line."""


@dataclass(frozen=True, slots=True)
class ClassList:
    """The classes of an export: every class of the catalogue, and those in other conditions that occur."""

    names: tuple[str, ...]
    numbers: Mapping[tuple[int, str], int]
    """Index into ``names`` of a class in a condition."""


def class_list(pictures: Iterable[StoredPicture], catalogue: Catalogue) -> ClassList:
    """In the order of the catalogue's slots."""
    plain = {(entry.id, catalogue.plain_condition) for entry in catalogue.classes}
    used = {(box.class_id, box.condition) for picture in pictures for box in picture.boxes}
    ordered = sorted(plain | used, key=lambda each: catalogue.slot(*each))
    slot_names = catalogue.slot_names()
    names = tuple(slot_names[catalogue.slot(*each)] for each in ordered)
    return ClassList(names, {each: number for number, each in enumerate(ordered)})


def yolo_labels(picture: StoredPicture, classes: ClassList) -> str:
    """One line a box, with every digit that the number has."""
    return "".join(
        f"{classes.numbers[box.class_id, box.condition]} {box.cx!r} {box.cy!r} {box.w!r} {box.h!r}\n"
        for box in picture.boxes
    )


def yolo_description(names: Sequence[str]) -> str:
    """``data.yaml``. There is one side: a split that does not leak is a dataset's, not an export's."""
    content = {"train": "images", "val": "images", "names": dict(enumerate(names))}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def coco_document(pictures: Sequence[StoredPicture], files: Mapping[str, str], classes: ClassList) -> str:
    """``instances.json``. ``files`` are the file names of the pictures."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, picture in enumerate(pictures, 1):
        images.append(
            {
                "id": number,
                "file_name": files[picture.name],
                "width": picture.width,
                "height": picture.height,
            }
        )
        for box in picture.boxes:
            w, h = box.w * picture.width, box.h * picture.height
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": classes.numbers[box.class_id, box.condition] + 1,
                    "bbox": [box.cx * picture.width - w / 2, box.cy * picture.height - h / 2, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(classes.names, 1)]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories}, indent=1)


def sidecar(pictures: Iterable[StoredPicture]) -> str:
    """The lines of ``pictures.jsonl``."""
    return "".join(f"{json.dumps(_facts(picture))}\n" for picture in pictures)


def _facts(picture: StoredPicture) -> dict[str, Any]:
    return {
        "name": picture.name,
        "sha256": picture.sha256,
        "validated": picture.validated,
        "recording": picture.media_name,
        "position_s": picture.media_time_s,
        "captured_at": picture.created_at.isoformat() if picture.created_at else None,
    }
