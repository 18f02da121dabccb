"""YOLO: one text file per picture, ``class cx cy w h`` a line; names in ``data.yaml``, ``classes.txt`` or ``obj.names``.

Labels mirror the pictures (``images/`` to ``labels/``, the last one in the path) or lie beside them. A picture
without a label file is background, if others of its folder have one. Lines of polygons (segmentation), of oriented
boxes and of poses become their bounding boxes; a sixth number is a confidence, a seventh whole one a track's id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from azaion_annotations.formats.files import (
    PICTURE_SUFFIXES,
    FolderFiles,
    leads_outside,
    side_called,
    side_in,
    stem,
    suffix,
)
from azaion_annotations.formats.source import (
    Claims,
    Problem,
    SourceBox,
    SourceFolder,
    SourcePicture,
    box_from_corners,
    envelope,
    shown,
)
from azaion_annotations.formats.yolo_names import NAME_FILES, Description, Descriptions
from azaion_common.core.errors import PermanentError

_SIDES = ("train", "val", "valid", "test")
_NOT_LABELS = {*NAME_FILES, "readme.txt", "license.txt", "readme.dataset.txt", "readme.roboflow.txt"}
_BOX, _BOX_AND_CONFIDENCE, _TRACKED_BOX = 5, 6, 7


def recognises(files: FolderFiles) -> bool:
    return bool(files.pictures and (_labelled(files) or Descriptions(files, ()).all))


def read(files: FolderFiles, default_names: Sequence[str] = ()) -> SourceFolder:
    """Read the folder. ``default_names`` are the class names where the folder has none.

    Raises:
        PermanentError: ``no_class_names``, ``class_names_unclear``, ``class_names_not_utf8``, ``data_yaml_invalid``.
    """
    descriptions, found = Descriptions(files, default_names), _labelled(files)
    labels = {picture: of_it[0] for picture, of_it in found.items()}
    if labels and descriptions.main is None:
        raise PermanentError(
            "no_class_names",
            f"{files.root} has labels but no data.yaml or classes.txt",
            hint="add a classes.txt with one class name a line",
        )
    lists = _list_files(files, descriptions)
    sides = _listed_sides(files, lists)
    folders = {PurePosixPath(alias).parent for picture in labels for alias in files.aliases(picture)}
    claims, used = Claims(), list[Description]()
    for name in files.pictures:
        if any(PurePosixPath(alias).parent in folders for alias in files.aliases(name)):
            label = labels.get(name)
            description = descriptions.of(label or name)
            picture = _picture(files, name, label, description)
            side = sides.get(name) or next(filter(None, map(side_in, files.aliases(name))), "")
            claims.add(name, replace(picture, side=side), label or name)
            claims.remarks += _passed_over(files, name, found.get(name, []))
            if description and description not in used:
                used.append(description)
    for line in _listed(files, lists):
        if leads_outside(line) and files.find(line, "") is None:
            claims.outside(line)
    problems = [
        *files.unlabelled(claims.spoken_of, "label file"),
        *_orphans(files, {label for of_it in found.values() for label in of_it}, set(lists)),
        *_listed_but_missing(files, lists),
        *files.passed_over(),
    ]
    return claims.folder("yolo", (name for each in used for name in each.in_order), problems)


def _labelled(files: FolderFiles) -> dict[str, list[str]]:
    """Label files of each picture that has any; the first one counts."""
    labels = {}
    for picture in files.pictures:
        found: dict[Path, str] = {}
        candidates = (label for alias in files.aliases(picture) for label in _label_candidates(alias))
        for label in filter(None, map(files.lookup, candidates)):
            found.setdefault(files.path(label), label)
        if found:
            labels[picture] = list(found.values())
    return labels


def _passed_over(files: FolderFiles, picture: str, labels: Sequence[str]) -> Iterator[Problem]:
    """Label files of ``picture`` that do not count, and say something else than the one that does."""
    for each in labels[1:]:
        if files.read_text(each).split() != files.read_text(labels[0]).split():
            why = f"{shown(labels[0])} counts; {shown(each)} says something else and does not"
            yield Problem(shown(picture), "labels_passed_over", why)


def _label_candidates(picture: str) -> list[str]:
    path = PurePosixPath(picture).with_suffix(".txt")
    folders = [part.lower() for part in path.parts[:-1]]
    mirrored = []
    if "images" in folders:
        last = len(folders) - 1 - folders[::-1].index("images")
        mirrored = [PurePosixPath(*path.parts[:last], "labels", *path.parts[last + 1 :]).as_posix()]
    return [*mirrored, path.as_posix()]


def _picture(
    files: FolderFiles, name: str, label: str | None, description: Description | None
) -> SourcePicture:
    path = files.path(name)
    if label is None or description is None:
        return SourcePicture(stem(name), path, labelled=False)
    text = files.read_text(label)
    try:
        boxes = parse_labels(text, description.names, description.numbers_per_keypoint)
    except ValueError as error:
        return SourcePicture(stem(name), path, unreadable_labels=text, why_unreadable=str(error))
    return SourcePicture(stem(name), path, boxes)


def parse_labels(text: str, names: Mapping[int, str], numbers_per_keypoint: int = 0) -> tuple[SourceBox, ...]:
    """The boxes of one label file; raises ValueError for a line that is none."""
    lines = (line.split() for line in text.splitlines() if line.strip())
    return tuple(_parse_line(words, names, numbers_per_keypoint) for words in lines)


def _parse_line(words: Sequence[str], names: Mapping[int, str], numbers_per_keypoint: int) -> SourceBox:
    number, *values = map(_number, words)
    class_name = names.get(int(number), f"class {int(number)}") if number.is_integer() else f"class {number}"
    is_pose = numbers_per_keypoint and len(words) > _BOX and (len(words) - _BOX) % numbers_per_keypoint == 0
    # A triangle has seven numbers, too, but its last one is a coordinate.
    is_track = len(words) == _TRACKED_BOX and words[-1].isdigit()
    if len(words) in {_BOX, _BOX_AND_CONFIDENCE} or is_pose or is_track:
        return SourceBox(class_name, *values[:4])
    if len(words) > _BOX_AND_CONFIDENCE and len(values) % 2 == 0:
        corners = envelope(zip(values[::2], values[1::2], strict=True))
        return box_from_corners(class_name, corners, 1, 1)
    raise ValueError(f"{len(words)} numbers in a line")


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"'{shown(word[:40])}' is no number") from None


def _orphans(files: FolderFiles, used: set[str], lists: set[str]) -> list[Problem]:
    """Label files whose picture is missing."""
    folders = {PurePosixPath(name).parent for name in used}
    return [
        files.missing_picture(name, stem(name))
        for name in files.with_suffix(".txt")
        if PurePosixPath(name).parent in folders
        and name not in used | lists
        and PurePosixPath(name).name.lower() not in _NOT_LABELS
    ]


def _list_files(files: FolderFiles, descriptions: Descriptions) -> dict[str, str]:
    """Text files that list pictures, with their side: those that a description names, and train.txt and its kin."""
    texts = {f"{side}.txt": side for side in _SIDES}
    for each in descriptions.all:
        texts |= {value.removeprefix("./"): side for side, value in each.sides.items()}
    return {name: side_called(texts[name]) for name in files.with_suffix(".txt") if name in texts}


def _listed_sides(files: FolderFiles, lists: Mapping[str, str]) -> dict[str, str]:
    """Side of each picture that a list names."""
    found = (
        (files.find(line, name), side) for name, side in lists.items() for line in _listed(files, [name])
    )
    return {picture: side for picture, side in found if picture}


def _listed(files: FolderFiles, lists: Sequence[str] | Mapping[str, str]) -> list[str]:
    lines = (line.strip() for name in lists for line in files.read_text(name).splitlines())
    return sorted({line for line in lines if suffix(line) in PICTURE_SUFFIXES})


def _listed_but_missing(files: FolderFiles, lists: Mapping[str, str]) -> list[Problem]:
    return [
        Problem(shown(name), "picture_missing", f"lists '{shown(line[:200])}', which is not in the folder")
        for name in lists
        for line in _listed(files, [name])
        if not leads_outside(line) and files.find(line, name) is None
    ]
