"""Labelled folders as the annotation tools of the world write them: YOLO, COCO, Pascal VOC, CVAT."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Final

from azaion_annotations.formats import coco, cvat, voc, yolo
from azaion_annotations.formats.files import FolderFiles
from azaion_annotations.formats.sidecar import with_sidecar
from azaion_annotations.formats.source import Problem, SourceBox, SourceFolder, SourcePicture
from azaion_common.core.errors import PermanentError

AUTO: Final = "auto"
FORMATS: Final[Mapping[str, ModuleType]] = {"cvat": cvat, "voc": voc, "coco": coco, "yolo": yolo}
_KEPT_OUT: Final = {"shape_not_a_box", "only_crowds", "only_tags", "labels_disagree"}

__all__ = [
    "AUTO", "FORMATS", "Problem", "SourceBox", "SourceFolder", "SourcePicture", "detect_format", "read_folder",
]  # fmt: skip


def read_folder(folder: Path, format_name: str = AUTO, *, default_names: Sequence[str] = ()) -> SourceFolder:
    """Every picture of ``folder`` with its boxes, and every file that could not be used.

    Raises:
        PermanentError: ``folder_missing``, ``folder_empty``, ``no_pictures``, ``no_labels``, ``format_unknown``, and
            what the format's reader raises.
    """
    files = _open(folder)
    return with_sidecar(_read(files, format_name, default_names), files)


def _read(files: FolderFiles, format_name: str, default_names: Sequence[str]) -> SourceFolder:
    if format_name == AUTO:
        return _best(files, default_names)
    if format_name not in FORMATS:
        raise PermanentError(
            "format_unknown", f"no format {format_name!r}", hint=f"known: {', '.join(FORMATS)}"
        )
    source: SourceFolder = FORMATS[format_name].read(files, default_names)
    if not source.labelled:
        raise _useless(files, source.problems, format_name)
    return source


def detect_format(folder: Path) -> str:
    """The format of ``folder``, told by the content of its files; raises as ``read_folder``."""
    return read_folder(folder).format


def _best(files: FolderFiles, default_names: Sequence[str]) -> SourceFolder:
    """The folder in the format that most of its labelled pictures have; the others are told of."""
    found: list[SourceFolder] = []
    errors: list[PermanentError] = []
    for reader in FORMATS.values():
        try:
            if reader.recognises(files):
                found.append(reader.read(files, default_names))
        except PermanentError as error:
            errors.append(error)
    found.sort(key=lambda each: -each.labelled)
    if errors and not (found and found[0].labelled):
        raise errors[0]
    if not found or not found[0].labelled:
        problems = [problem for each in found for problem in each.problems]
        raise _useless(files, problems, "YOLO, COCO, Pascal VOC or CVAT")
    best, *others = found
    told = [
        Problem(
            ".",
            "other_labels",
            f"{each.labelled} pictures have {each.format} labels, too, which are not read; --format {each.format} does",
        )
        for each in others
        if each.labelled
    ]
    return replace(best, problems=(*best.problems, *told))


def _open(folder: Path) -> FolderFiles:
    if not folder.is_dir():
        if folder.is_file():
            is_zip = zipfile.is_zipfile(folder)
            hint = "unpack it first" if is_zip else "name the folder that it is in"
            raise PermanentError("folder_missing", f"{folder} is a file and no folder", hint=hint)
        raise PermanentError("folder_missing", f"there is no folder {folder}")
    files = FolderFiles(folder)
    if not files.names and not files.walk_problems:
        raise PermanentError("folder_empty", f"the folder {folder} is empty")
    if not files.pictures:
        raise PermanentError(
            "no_pictures",
            f"the folder {folder} holds no JPEG or PNG pictures",
            hint=_passed_over(files),
        )
    return files


def _useless(files: FolderFiles, problems: Sequence[Problem], kind: str) -> PermanentError:
    kept_out = [each for each in problems if each.reason in _KEPT_OUT]
    if kept_out:
        first = f"{kept_out[0].path}: {kept_out[0].message}"
        return PermanentError(
            "nothing_usable", f"none of {len(kept_out)} labelled pictures can be used: {first}"
        )
    broken = next((f"{each.path} is {each.message}" for each in coco.broken(files)), None)
    hint = _passed_over(files) or broken or "labels go beside the pictures or into labels/"
    return PermanentError(
        "no_labels", f"{files.root} holds {len(files.pictures)} pictures but no {kind} labels", hint=hint
    )


def _passed_over(files: FolderFiles) -> str | None:
    """What may be missing, because it was not followed."""
    return next((f"{each.path} {each.message}" for each in files.walk_problems), None)
