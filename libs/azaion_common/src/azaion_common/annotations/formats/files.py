"""The files of a folder: which are pictures, and which picture a label file means."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from azaion_common.annotations.formats.source import Problem, SourcePicture
from azaion_common.errors import PermanentError

_PICTURES = {".jpg", ".jpeg", ".png"}
_OTHER_PICTURES = {".bmp", ".gif", ".webp", ".tif", ".tiff", ".heic"}
MAX_LABEL_BYTES = 256 << 20


class FolderFiles:
    """A folder's files by relative path, hidden ones left out, in one order on every machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names = sorted(_walk(root))
        self.pictures = [name for name in self.names if suffix(name) in _PICTURES]
        self._known = set(self.pictures)
        self._by_file_name: dict[str, list[str]] = defaultdict(list)
        for name in self.pictures:
            self._by_file_name[PurePosixPath(name).name].append(name)

    def with_suffix(self, *suffixes: str) -> list[str]:
        return [name for name in self.names if suffix(name) in suffixes]

    def path(self, name: str) -> Path:
        return self.root / name

    def read_text(self, name: str) -> str:
        """The text of a label file; bytes that are no UTF-8 become U+FFFD, which no parser takes for a number."""
        path = self.path(name)
        if path.stat().st_size > MAX_LABEL_BYTES:
            raise PermanentError("labels_too_large", f"{path} is larger than {MAX_LABEL_BYTES} bytes")
        return path.read_text(encoding="utf-8-sig", errors="replace")

    def find(self, reference: str, beside: str) -> str | None:
        """The picture that the label file ``beside`` calls ``reference``: by path, else by its file name alone."""
        reference = reference.replace("\\", "/")
        folder = PurePosixPath(beside).parent
        for base in (
            folder,
            folder / "images",
            folder.parent / "images",
            PurePosixPath(),
            PurePosixPath("images"),
        ):
            candidate = os.path.normpath(base / reference)
            if candidate in self._known:
                return candidate
        same_name = self._by_file_name.get(PurePosixPath(reference).name, [])
        return same_name[0] if len(same_name) == 1 and not leads_outside(reference) else None

    def unsupported(self) -> list[Problem]:
        """Pictures of formats that are not taken."""
        return [
            Problem(name, "picture_format", "only JPEG and PNG pictures are taken")
            for name in self.with_suffix(*_OTHER_PICTURES)
        ]

    def unlabelled(self, labelled: set[str], label_kind: str) -> list[Problem]:
        """Pictures that no label file speaks of."""
        return [
            Problem(name, "no_labels", f"no {label_kind} names this picture")
            for name in self.pictures
            if name not in labelled
        ]


def suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def stem(reference: str) -> str:
    return PurePosixPath(reference.replace("\\", "/")).stem


def leads_outside(reference: str) -> bool:
    """True for a reference with ``..`` in it, or an absolute one that says so: it is kept as a name, never opened."""
    return ".." in PurePosixPath(reference.replace("\\", "/")).parts


def outside_picture(reference: str) -> SourcePicture:
    """A picture that is only a name, for the ingestor to quarantine."""
    return SourcePicture(reference[:1000], None)


def missing_picture(label: str, reference: str) -> Problem:
    return Problem(label, "picture_missing", f"its picture {reference[:200]!r} is not in the folder")


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith("."):
                yield Path(folder, name).relative_to(root).as_posix()
