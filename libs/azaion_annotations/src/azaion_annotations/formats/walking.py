"""Which files a folder holds: regular ones inside its root, also by links that stay inside. The others are told of."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from azaion_annotations.formats.source import Problem, shown

_MAX_DEPTH = 64
_MAX_ALIASES = 4
"""Ways by which one folder is walked. Links among folders could otherwise multiply without end."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Relative path of each regular file to where it really lies, and what was passed over."""

    files: dict[str, Path]
    problems: tuple[Problem, ...]


def walk(root: Path) -> Walk:
    """Every file below ``root`` that is not hidden, in one order on every machine."""
    walking = _Walking(Path(os.path.realpath(root)))
    files = dict(walking.below(walking.root, "", ()))
    return Walk(dict(sorted(files.items())), tuple(walking.problems))


@dataclass(slots=True)
class _Walking:
    root: Path
    problems: list[Problem] = field(default_factory=list)
    _times: Counter[Path] = field(default_factory=Counter)

    def below(self, folder: Path, name: str, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
        """Files of the real folder ``folder``, which is seen as ``name``; ``above`` are the real ones on the way."""
        if folder in above or len(above) > _MAX_DEPTH or self._times[folder] >= _MAX_ALIASES:
            return
        self._times[folder] += 1
        for entry in self._entries(folder, name):
            own_name = f"{name}/{entry.name}" if name else entry.name
            found = self._real(entry, own_name)
            if found is None:
                continue
            if found.is_dir():
                yield from self.below(found, own_name, (*above, folder))
            elif stat.S_ISREG(found.lstat().st_mode):
                yield own_name, found
            else:
                self._tell(own_name, "not_a_file", "neither a file nor a folder: not opened")

    def _entries(self, folder: Path, name: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return sorted((each for each in entries if each.name[0] != "."), key=lambda each: each.name)
        except OSError as error:
            self._tell(name or ".", "folder_unreadable", f"cannot be listed: {error.strerror}")
            return []

    def _real(self, entry: os.DirEntry[str], name: str) -> Path | None:
        """Where ``entry`` really lies, if that is inside the root."""
        if not entry.is_symlink():
            return Path(entry.path)
        target = Path(os.path.realpath(entry.path))
        if not target.is_relative_to(self.root):
            self._tell(
                name, "link_outside", f"leads out of the folder, to {shown(str(target))}: not followed"
            )
        elif not target.exists():
            self._tell(name, "link_broken", "a link to nothing")
        else:
            return target
        return None

    def _tell(self, name: str, reason: str, message: str) -> None:
        self.problems.append(Problem(shown(name), reason, message))
