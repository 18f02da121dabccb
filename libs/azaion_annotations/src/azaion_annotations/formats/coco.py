"""COCO: JSON with ``images``, ``annotations`` and ``categories``; ``bbox`` is x, y, w, h in pixels from the top left.

Category ids may start anywhere and have holes, and are each file's own: classes are known by name. Several files may
speak of one picture (``instances_*`` beside ``person_keypoints_*``): it has the boxes of all, each object once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from azaion_annotations.formats.files import (
    FolderFiles,
    leads_outside,
    side_called,
    side_in,
    stem,
)
from azaion_annotations.formats.source import (
    Claims,
    Problem,
    SourceFolder,
    SourcePicture,
    envelope,
    from_pixels,
    shown,
)
from azaion_common.core.errors import PermanentError

_KEYS = ("images", "annotations", "categories")
_PANOPTIC = "segments_info"
_NO = {"0", "0.0", "false"}
Annotation = Mapping[str, Any]


class _NotABoxError(Exception):
    """An object of which no box can be told."""


def recognises(files: FolderFiles) -> bool:
    return bool(_sets(files)[0])


def broken(files: FolderFiles) -> list[Problem]:
    """Files that are called .json and cannot be read as such."""
    return _sets(files)[1]


def read(files: FolderFiles, default_names: Sequence[str] = ()) -> SourceFolder:
    """Read every COCO file of the folder.

    Raises:
        PermanentError: ``coco_invalid`` when a file lacks what the format asks for.
    """
    reading = _Reading(files)
    sets, unreadable = _sets(files)
    for label, content in sets.items():
        try:
            reading.add(label, content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PermanentError("coco_invalid", f"{shown(label)} is not valid COCO: {error!r}") from error
    others = [*unreadable, *files.unlabelled(reading.claims.spoken_of, "COCO file"), *files.passed_over()]
    return reading.claims.folder("coco", reading.class_names, others)


@dataclass
class _Reading:
    """What was read so far, over all files of the set."""

    files: FolderFiles
    class_names: dict[str, None] = field(default_factory=dict)
    claims: Claims = field(default_factory=Claims)

    def add(self, label: str, content: Mapping[str, Any]) -> None:
        if any(_PANOPTIC in each for each in content["annotations"]):
            why = "panoptic segments are not read: add the file with the instances"
            self.claims.problems.append(Problem(shown(label), "labels_unreadable", why))
            return
        names = {int(each["id"]): str(each["name"]).strip() for each in content["categories"]}
        self.class_names |= dict.fromkeys(names[number] for number in sorted(names))
        annotations: dict[str, list[Annotation]] = defaultdict(list)
        for annotation in content["annotations"]:
            annotations[str(annotation["image_id"])].append(annotation)  # ids are written as text, too
        for image in content["images"]:
            self._add_picture(label, image, annotations.get(str(image["id"]), []), names)
        self._tell_of_strays(label, set(annotations) - {str(image["id"]) for image in content["images"]})

    def _add_picture(
        self,
        label: str,
        image: Mapping[str, Any],
        annotations: Sequence[Annotation],
        names: Mapping[int, str],
    ) -> None:
        reference = str(image["file_name"])
        side = _side_of_file(label)
        found = self.files.find(reference, label, *((f"../{side}2017", f"../images/{side}") if side else ()))
        if found is None:
            if leads_outside(reference):
                self.claims.outside(reference)
            else:
                self.claims.problems.append(self.files.missing_picture(label, reference))
            return
        crowds = [each for each in annotations if _is_crowd(each)]
        objects = [each for each in annotations if not _is_crowd(each)]
        try:
            picture = self._picture(found, image, objects, names)
        except _NotABoxError as error:
            self.claims.keep_out(found, "shape_not_a_box", str(error))
        else:
            self.claims.add(found, replace(picture, side=side_in(found) or side), label)
            if crowds:
                what = f"{len(crowds)} crowd regions, which are no single objects"
                self.claims.leave_out(found, "crowds", what)

    def _picture(
        self,
        name: str,
        image: Mapping[str, Any],
        annotations: Sequence[Annotation],
        names: Mapping[int, str],
    ) -> SourcePicture:
        path = self.files.path(name)
        try:
            rows = [
                (names.get(int(each["category_id"]), f"class {each['category_id']}"), _corners(each))
                for each in annotations
            ]
            size = float(image.get("width") or 0), float(image.get("height") or 0)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            text, why = json.dumps(annotations), f"not valid COCO: {error!r}"
            return SourcePicture(stem(name), path, unreadable_labels=text, why_unreadable=why)
        picture = from_pixels(stem(name), path, rows, size)
        return replace(picture, captured_at=_date(image.get("date_captured")))

    def _tell_of_strays(self, label: str, strays: set[str]) -> None:
        if strays:
            some = ", ".join(sorted(strays)[:3])
            why = f"has annotations for {len(strays)} image ids that it does not list ({some}): they are lost"
            self.claims.problems.append(Problem(shown(label), "annotations_without_picture", why))


def _sets(files: FolderFiles) -> tuple[dict[str, Mapping[str, Any]], list[Problem]]:
    """The COCO files, and the problems of those that are no JSON."""
    sets: dict[str, Mapping[str, Any]] = {}
    unreadable: list[Problem] = []
    for name in files.with_suffix(".json"):
        try:
            content = json.loads(files.read_text(name))
        except (ValueError, RecursionError, PermanentError) as error:
            reason = str(error).partition(":")[0][:120]
            unreadable.append(Problem(shown(name), "labels_unreadable", f"not readable as JSON: {reason}"))
            continue
        if isinstance(content, dict) and all(isinstance(content.get(key), list) for key in _KEYS):
            sets[name] = content
    return sets, unreadable


def _is_crowd(annotation: Annotation) -> bool:
    return str(annotation.get("iscrowd") or 0).casefold() not in _NO  # flags are written as text, too


def _corners(annotation: Annotation) -> tuple[float, float, float, float]:
    box = annotation.get("bbox")
    if box:
        x, y, w, h = (float(value) for value in box)
        return x, y, x + w, y + h
    outline = annotation.get("segmentation")
    if isinstance(outline, list) and outline:
        values = [float(value) for part in outline for value in part]
        return envelope(zip(values[::2], values[1::2], strict=True))
    raise _NotABoxError("it has an object with neither a box nor an outline that a box could be told from")


def _side_of_file(label: str) -> str:
    """``instances_val2017.json`` and ``valid.json`` tell of a side."""
    words = stem(label).lower().replace("-", "_").split("_")
    for word in reversed(words):
        if word.rstrip("0123456789") in {"train", "val", "valid", "test"}:
            return side_called(word.rstrip("0123456789"))
    return ""


def _date(text: object) -> datetime | None:
    """``date_captured``, where it is a date; some tools write 0 or the day of the export for all."""
    try:
        moment = datetime.fromisoformat(str(text).strip().replace("/", "-"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
