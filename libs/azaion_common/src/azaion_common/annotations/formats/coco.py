"""COCO: JSON with ``images``, ``annotations`` and ``categories``; ``bbox`` is x, y, w, h in pixels from the top left.

Category ids may start anywhere and have holes. Several files (``{train,valid,test}/_annotations.coco.json``) are one
set if they agree on the names. Crowd regions are no single objects and are left out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azaion_common.annotations.formats.files import (
    FolderFiles,
    leads_outside,
    missing_picture,
    outside_picture,
)
from azaion_common.annotations.formats.source import (
    Problem,
    SourceBox,
    SourceFolder,
    SourcePicture,
    box_from_corners,
)
from azaion_common.errors import PermanentError

_KEYS = ("images", "annotations", "categories")


def recognises(files: FolderFiles) -> bool:
    return bool(_sets(files))


def read(files: FolderFiles, default_names: Sequence[str] = ()) -> SourceFolder:
    """Read every COCO file of the folder.

    Raises:
        PermanentError: ``coco_invalid`` when a file lacks what the format asks for.
    """
    reading = _Reading(files)
    for label, content in _sets(files).items():
        try:
            reading.add(label, content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PermanentError(
                "coco_invalid", f"{files.path(label)} is not valid COCO: {error!r}"
            ) from error
    pictures, names = reading.pictures, reading.names
    problems = [*reading.problems, *files.unlabelled(set(pictures), "COCO file"), *files.unsupported()]
    class_names = tuple(dict.fromkeys(names[number] for number in sorted(names)))
    return SourceFolder("coco", class_names, tuple(pictures.values()), tuple(problems))


@dataclass
class _Reading:
    """What was read so far, over all files of the set."""

    files: FolderFiles
    names: dict[int, str] = field(default_factory=dict)
    pictures: dict[str, SourcePicture] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, label: str, content: Mapping[str, Any]) -> None:
        own_names = {int(category["id"]): str(category["name"]) for category in content["categories"]}
        for number, name in own_names.items():
            if self.names.setdefault(number, name) != name:
                raise ValueError(
                    f"category {number} is {name!r} here, {self.names[number]!r} in another file"
                )
        annotations = defaultdict(list)
        for annotation in content["annotations"]:
            annotations[annotation["image_id"]].append(annotation)
        for image in content["images"]:
            self._add_picture(label, image, annotations[image["id"]])

    def _add_picture(
        self, label: str, image: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]]
    ) -> None:
        reference = str(image["file_name"])
        found = self.files.find(reference, label)
        if found:
            self.pictures[found] = _picture(self.files.path(found), image, annotations, self.names)
        elif leads_outside(reference):
            self.pictures[reference] = outside_picture(reference)
        else:
            self.problems.append(missing_picture(label, reference))


def _sets(files: FolderFiles) -> dict[str, Mapping[str, Any]]:
    contents = {name: _load(files, name) for name in files.with_suffix(".json")}
    return {
        name: content
        for name, content in contents.items()
        if isinstance(content, dict) and all(isinstance(content.get(key), list) for key in _KEYS)
    }


def _load(files: FolderFiles, name: str) -> object:
    try:
        return json.loads(files.read_text(name))
    except (ValueError, RecursionError):
        return None  # some other file that is called .json: none of ours


def _picture(
    path: Path, image: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]], names: Mapping[int, str]
) -> SourcePicture:
    try:
        boxes = tuple(_box(each, image, names) for each in annotations if not each.get("iscrowd"))
    except (KeyError, TypeError, ValueError):
        return SourcePicture(path.stem, path, unreadable_labels=json.dumps(annotations))
    return SourcePicture(path.stem, path, boxes)


def _box(annotation: Mapping[str, Any], image: Mapping[str, Any], names: Mapping[int, str]) -> SourceBox:
    number = annotation["category_id"]
    x, y, w, h = (float(value) for value in annotation["bbox"])
    width, height = float(image.get("width") or 0), float(image.get("height") or 0)
    return box_from_corners(names.get(number, f"class {number}"), (x, y, x + w, y + h), width, height)
