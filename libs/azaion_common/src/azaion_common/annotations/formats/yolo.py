"""YOLO: one text file per picture, ``class cx cy w h`` a line; names in ``data.yaml``, ``classes.txt`` or ``obj.names``.

Labels mirror the pictures (``images/`` to ``labels/``, the last one in the path) or lie beside them. A picture
without a label file is background, if others of its folder have one. Lines of polygons (segmentation) become their
bounding boxes; a sixth number is a confidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from azaion_common.annotations.formats.files import (
    FolderFiles,
    leads_outside,
    missing_picture,
    outside_picture,
    stem,
    suffix,
)
from azaion_common.annotations.formats.source import (
    Problem,
    SourceBox,
    SourceFolder,
    SourcePicture,
    box_from_corners,
)
from azaion_common.errors import PermanentError

_NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")
_SIDES = ("train", "val", "valid", "test")
_NOT_LABELS = {*_NAME_FILES, "readme.txt", "license.txt", "readme.dataset.txt", "readme.roboflow.txt"}
_BOX, _BOX_AND_CONFIDENCE = 5, 6
_MAX_YAML = 1 << 20


def recognises(files: FolderFiles) -> bool:
    return bool(_data_yaml(files) or _names_file(files) or _labelled(files))


def read(files: FolderFiles, default_names: Sequence[str] = ()) -> SourceFolder:
    """Read the folder. ``default_names`` are the class names where the folder has none.

    Raises:
        PermanentError: ``no_class_names``, ``data_yaml_invalid``.
    """
    description = _data_yaml(files)
    names = _names(files, description) or dict(enumerate(default_names))
    labels = _labelled(files)
    if labels and not names:
        raise PermanentError(
            "no_class_names",
            f"{files.root} has labels but no data.yaml or classes.txt",
            hint="add a classes.txt with one class name a line",
        )
    lists = _list_files(files, description)
    folders = {PurePosixPath(picture).parent for picture in labels}
    used = [name for name in files.pictures if PurePosixPath(name).parent in folders]
    pictures = [_picture(files, name, labels.get(name), names) for name in used]
    pictures += [outside_picture(line) for line in _listed(files, lists) if _is_outside(files, line)]
    problems = [
        *files.unlabelled(set(used), "label file"),
        *_orphans(files, set(labels.values()), set(lists)),
        *_listed_but_missing(files, lists),
        *files.unsupported(),
    ]
    return SourceFolder("yolo", _in_order(names), tuple(pictures), tuple(problems))


def _data_yaml(files: FolderFiles) -> tuple[str, Mapping[str, Any]] | None:
    """The description of the set: ``data.yaml`` if there is one, else the first YAML file with ``names``."""
    candidates = files.with_suffix(".yaml", ".yml")
    for name in sorted(candidates, key=lambda name: (name != "data.yaml", name.count("/"), name)):
        content = _load_yaml(files, name)
        if isinstance(content, dict) and isinstance(content.get("names"), (list, dict)):
            return name, content
    return None


def _load_yaml(files: FolderFiles, name: str) -> object:
    if files.path(name).stat().st_size > _MAX_YAML:
        return None
    try:
        return yaml.safe_load(files.read_text(name))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if PurePosixPath(name).name == "data.yaml":
            raise PermanentError("data_yaml_invalid", f"{files.path(name)} is not YAML") from error
        return None


def _names_file(files: FolderFiles) -> str | None:
    found = (name for name in files.names if PurePosixPath(name).name in _NAME_FILES)
    return min(found, key=lambda name: (name.count("/"), name), default=None)


def _names(files: FolderFiles, description: tuple[str, Mapping[str, Any]] | None) -> dict[int, str]:
    if description is not None:
        return _names_of_yaml(files, *description)
    name = _names_file(files)
    lines = files.read_text(name).splitlines() if name else []
    return {index: line.strip() for index, line in enumerate(lines) if line.strip()}


def _names_of_yaml(files: FolderFiles, name: str, content: Mapping[str, Any]) -> dict[int, str]:
    names = content["names"]
    try:
        pairs = enumerate(names) if isinstance(names, list) else names.items()
        return {int(index): str(class_name) for index, class_name in pairs}
    except (TypeError, ValueError) as error:
        raise PermanentError(
            "data_yaml_invalid", f"{files.path(name)}: names is no index to name map"
        ) from error


def _in_order(names: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(names[index] for index in sorted(names))


def _labelled(files: FolderFiles) -> dict[str, str]:
    """Label file of each picture that has one."""
    texts = set(files.with_suffix(".txt"))
    labels = {}
    for picture in files.pictures:
        found = [name for name in _label_candidates(picture) if name in texts]
        if found:
            labels[picture] = found[0]
    return labels


def _label_candidates(picture: str) -> list[str]:
    path = PurePosixPath(picture).with_suffix(".txt")
    parts = list(path.parts)
    mirrored = []
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[:-1][::-1].index("images")
        mirrored = [PurePosixPath(*parts[:last], "labels", *parts[last + 1 :]).as_posix()]
    return [*mirrored, path.as_posix()]


def _picture(files: FolderFiles, name: str, label: str | None, names: Mapping[int, str]) -> SourcePicture:
    path = files.path(name)
    if label is None:
        return SourcePicture(stem(name), path)
    text = files.read_text(label)
    try:
        return SourcePicture(stem(name), path, parse_labels(text, names))
    except ValueError:
        return SourcePicture(stem(name), path, unreadable_labels=text)


def parse_labels(text: str, names: Mapping[int, str]) -> tuple[SourceBox, ...]:
    """The boxes of one label file; raises ValueError for a line that is none."""
    return tuple(_parse_line(line.split(), names) for line in text.splitlines() if line.strip())


def _parse_line(words: Sequence[str], names: Mapping[int, str]) -> SourceBox:
    number, *values = (float(word) for word in words)
    class_name = names.get(int(number), f"class {int(number)}") if number.is_integer() else f"class {number}"
    if len(words) in {_BOX, _BOX_AND_CONFIDENCE}:
        return SourceBox(class_name, *values[:4])
    if len(words) > _BOX_AND_CONFIDENCE and len(values) % 2 == 0:
        corners = (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
        return box_from_corners(class_name, corners, 1, 1)
    raise ValueError(f"{len(words)} numbers in a line")


def _orphans(files: FolderFiles, used: set[str], lists: set[str]) -> list[Problem]:
    """Label files whose picture is missing."""
    folders = {PurePosixPath(name).parent for name in used}
    return [
        missing_picture(name, stem(name))
        for name in files.with_suffix(".txt")
        if PurePosixPath(name).parent in folders
        and name not in used | lists
        and PurePosixPath(name).name.lower() not in _NOT_LABELS
    ]


def _list_files(files: FolderFiles, description: tuple[str, Mapping[str, Any]] | None) -> list[str]:
    """Text files that list pictures: those that data.yaml names, and train.txt and its kin beside the folder's root."""
    named = [value for side in _SIDES if description and isinstance(value := description[1].get(side), str)]
    texts = {*(value.removeprefix("./") for value in named), *(f"{side}.txt" for side in _SIDES)}
    return [name for name in files.with_suffix(".txt") if name in texts]


def _listed(files: FolderFiles, lists: Sequence[str]) -> list[str]:
    lines = (line.strip() for name in lists for line in files.read_text(name).splitlines())
    return sorted({line for line in lines if suffix(line) in {".jpg", ".jpeg", ".png"}})


def _is_outside(files: FolderFiles, line: str) -> bool:
    return leads_outside(line) and files.find(line, "") is None


def _listed_but_missing(files: FolderFiles, lists: Sequence[str]) -> list[Problem]:
    return [
        Problem(name, "picture_missing", f"lists {line[:200]!r}, which is not in the folder")
        for name in lists
        for line in _listed(files, [name])
        if not leads_outside(line) and files.find(line, name) is None
    ]
