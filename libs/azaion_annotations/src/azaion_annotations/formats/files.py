"""The files of a folder: which are pictures, and which picture a label file means."""

from __future__ import annotations

import codecs
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from azaion_annotations.formats.regular_files import NotReadableError, read_regular
from azaion_annotations.formats.source import Problem, shown
from azaion_annotations.formats.walking import walk
from azaion_common.core.errors import PermanentError

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png")
_OTHER_PICTURES = (
    ".bmp", ".gif", ".webp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".dng", ".ppm", ".pgm",
)  # fmt: skip
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SIDE = re.compile(r"(train|val|valid|validation|test)(?:20[0-9]{2})?", re.IGNORECASE)
MAX_LABEL_BYTES = 256 << 20


class FolderFiles:
    """A folder's files by relative path, hidden ones left out, in one order on every machine.

    A file that is seen under several names, because a folder is linked, is one picture: ``pictures`` has its first
    name, ``aliases`` all of them.
    """

    def __init__(self, root: Path) -> None:
        walked, real_root = walk(root), Path(os.path.realpath(root))
        self.root = root
        self.names = list(walked.files)
        self.walk_problems = walked.problems
        self._real = walked.files
        self._aliases: dict[Path, list[str]] = defaultdict(list)
        for name in self.with_suffix(*PICTURE_SUFFIXES):
            self._aliases[walked.files[name]].append(name)
        for names in self._aliases.values():
            names.sort(key=lambda name: (walked.files[name] != real_root / name, name))
        self.pictures = sorted(names[0] for names in self._aliases.values())
        self._by_key = {_key(name): name for name in reversed(self.names)}
        self._by_file_name: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        self._other_by_stem = {_normal(stem(name)): name for name in self.with_suffix(*_OTHER_PICTURES)}
        for name in self.pictures:
            path = PurePosixPath(name)
            self._by_file_name[_normal(path.name)].append(name)
            self._by_stem[_normal(path.stem)].append(name)

    def with_suffix(self, *suffixes: str) -> list[str]:
        return [name for name in self.names if suffix(name) in suffixes]

    def path(self, name: str) -> Path:
        """Where the file really lies."""
        return self._real[name]

    def aliases(self, picture: str) -> list[str]:
        """Every name under which a picture is seen."""
        return self._aliases[self._real[picture]]

    def lookup(self, name: str) -> str | None:
        """The file called ``name``; letter case of folders and the form of accents (macOS writes its own) aside."""
        return name if name in self._real else self._by_key.get(_key(name))

    def read_bytes(self, name: str, max_bytes: int = MAX_LABEL_BYTES) -> bytes:
        """The bytes of a label file.

        Raises:
            PermanentError: ``labels_unreadable``.
        """
        try:
            return read_regular(self.path(name), max_bytes)
        except NotReadableError as error:
            raise PermanentError("labels_unreadable", f"{shown(name)} {error}") from error

    def read_text(self, name: str) -> str:
        """The text of a label file; bytes that are no UTF-8 become U+FFFD, which no parser takes for a number."""
        data = self.read_bytes(name)
        encoding = "utf-16" if data.startswith(_UTF_16) else "utf-8-sig"
        return data.decode(encoding, errors="replace")

    def find(self, reference: str, beside: str, *folders: str) -> str | None:
        """The picture that the label file ``beside`` calls ``reference``: by path, else by its file name alone.

        ``folders`` are more places to look in, relative to the label file's.
        """
        reference = reference.replace("\\", "/")
        here = PurePosixPath(beside).parent
        bases = (*(here / each for each in folders), here, here / "images", here.parent / "images")
        for base in (*bases, PurePosixPath(), PurePosixPath("images")):
            found = self._picture(os.path.normpath(base / reference))
            if found is not None:
                return found
        if leads_outside(reference):
            return None
        return self._only(self._by_file_name, PurePosixPath(reference).name)

    def find_by_stem(self, reference: str) -> str | None:
        """The only picture whose name is ``reference`` but for its suffix."""
        name = PurePosixPath(reference.replace("\\", "/")).name
        return self._only(self._by_stem, name) or self._only(self._by_stem, PurePosixPath(name).stem)

    def _picture(self, name: str) -> str | None:
        found = self.lookup(name)
        if found is None or suffix(found) not in PICTURE_SUFFIXES:
            return None
        return self.aliases(found)[0]

    @staticmethod
    def _only(index: dict[str, list[str]], name: str) -> str | None:
        found = index.get(_normal(name), [])
        return found[0] if len(found) == 1 else None

    def passed_over(self) -> list[Problem]:
        """What is not opened at all: links out of the folder, pictures of formats that are not taken."""
        formats = [
            Problem(shown(name), "picture_format", "only JPEG and PNG pictures are taken")
            for name in self.with_suffix(*_OTHER_PICTURES)
        ]
        return [*self.walk_problems, *formats]

    def missing_picture(self, label: str, reference: str) -> Problem:
        """Why the picture that ``label`` calls ``reference`` was not found: it is absent, or of another format."""
        name = _normal(PurePosixPath(reference.replace("\\", "/")).name)
        other = self._other_by_stem.get(name) or self._other_by_stem.get(PurePosixPath(name).stem)
        if other:
            why = f"its picture '{shown(other)}' is neither a JPEG nor a PNG"
            return Problem(shown(label), "picture_format", why)
        why = f"its picture '{shown(reference[:200])}' is not in the folder"
        return Problem(shown(label), "picture_missing", why)

    def unlabelled(self, labelled: Iterable[str], label_kind: str) -> list[Problem]:
        """Pictures that no label file speaks of."""
        spoken_of = set(labelled)
        return [
            Problem(shown(name), "no_labels", f"no {label_kind} names this picture")
            for name in self.pictures
            if name not in spoken_of
        ]


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _key(name: str) -> tuple[str, str]:
    folder, _, file = name.rpartition("/")
    return _normal(folder).casefold(), _normal(file)


def suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def stem(reference: str) -> str:
    return PurePosixPath(reference.replace("\\", "/")).stem


def side_in(name: str) -> str:
    """The side of a split that a file's folders tell of: ``train``, ``valid`` or ``test``; empty: none."""
    for part in reversed(PurePosixPath(name).parts[:-1]):
        if found := _SIDE.fullmatch(part):
            return side_called(found[1])
    return ""


def side_called(name: str) -> str:
    """One name for each side, whatever a folder calls it."""
    name = name.lower()
    return "valid" if name.startswith("val") else name


def leads_outside(reference: str) -> bool:
    """True for a reference with ``..`` in it, or an absolute one that says so: it is kept as a name, never opened."""
    return ".." in PurePosixPath(reference.replace("\\", "/")).parts
