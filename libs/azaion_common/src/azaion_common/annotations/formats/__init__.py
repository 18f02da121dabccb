"""Labelled folders as the annotation tools of the world write them: YOLO, COCO, Pascal VOC, CVAT for images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

from azaion_common.annotations.formats import coco, cvat, voc, yolo
from azaion_common.annotations.formats.files import FolderFiles
from azaion_common.annotations.formats.source import Problem, SourceBox, SourceFolder, SourcePicture
from azaion_common.errors import PermanentError

AUTO: Final = "auto"
FORMATS: Final[Mapping[str, ModuleType]] = {"cvat": cvat, "voc": voc, "coco": coco, "yolo": yolo}

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
    if format_name == AUTO:
        format_name = _detect(files)
    if format_name not in FORMATS:
        raise PermanentError(
            "format_unknown", f"no format {format_name!r}", hint=f"known: {', '.join(FORMATS)}"
        )
    source: SourceFolder = FORMATS[format_name].read(files, default_names)
    if not any(picture.boxes or picture.unreadable_labels for picture in source.pictures):
        raise _no_labels(files, format_name)
    return source


def detect_format(folder: Path) -> str:
    """The format of ``folder``, told by the content of its files; raises as ``read_folder``."""
    return _detect(_open(folder))


def _open(folder: Path) -> FolderFiles:
    if not folder.is_dir():
        raise PermanentError("folder_missing", f"there is no folder {folder}")
    files = FolderFiles(folder)
    if not files.names:
        raise PermanentError("folder_empty", f"the folder {folder} is empty")
    if not files.pictures:
        raise PermanentError("no_pictures", f"the folder {folder} holds no JPEG or PNG pictures")
    return files


def _detect(files: FolderFiles) -> str:
    for name, reader in FORMATS.items():
        if reader.recognises(files):
            return name
    raise _no_labels(files, "YOLO, COCO, Pascal VOC or CVAT")


def _no_labels(files: FolderFiles, kind: str) -> PermanentError:
    return PermanentError(
        "no_labels",
        f"{files.root} holds {len(files.pictures)} pictures but no {kind} labels",
        hint="labels go beside the pictures or into labels/; see docs/wire-format.md",
    )
