"""Class names of YOLO sets: each label file goes by the description nearest to it, up the tree of folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

import yaml

from azaion_annotations.formats.files import FolderFiles
from azaion_annotations.formats.source import shown
from azaion_common.core.errors import PermanentError
from azaion_common.core.limited_yaml import MAX_BYTES, YamlLimitError, load_texts

NAME_FILES: Final = ("classes.txt", "obj.names", "_darknet.labels")
_MAIN = "data.yaml"
_NOT_UTF_8 = "\ufffd"


@dataclass(frozen=True, slots=True)
class Description:
    """What one ``data.yaml`` or list of names says. ``sides`` are its ``train``, ``val`` and ``test``, as they stand."""

    file: str
    names: Mapping[int, str]
    sides: Mapping[str, str] = field(default_factory=dict)
    numbers_per_keypoint: int = 0
    """Set for poses, whose lines go on after the box."""

    @property
    def in_order(self) -> tuple[str, ...]:
        return tuple(self.names[index] for index in sorted(self.names))


class Descriptions:
    """Every description in a folder."""

    def __init__(self, files: FolderFiles, default_names: Sequence[str]) -> None:
        """Read them.

        Raises:
            PermanentError: ``data_yaml_invalid``, ``class_names_not_utf8``.
        """
        found = [*_in_yaml(files), *_in_name_files(files)]
        self.all = sorted(found, key=lambda each: _rank(each.file))
        self._default = Description("", dict(enumerate(default_names))) if default_names else None
        self._by_folder: dict[PurePosixPath, Description] = {}
        for each in self.all:
            self._by_folder.setdefault(PurePosixPath(each.file).parent, each)

    @property
    def main(self) -> Description | None:
        """The one nearest to the root."""
        return self.all[0] if self.all else self._default

    def of(self, label: str) -> Description | None:
        """The description that the label file ``label`` goes by; None where there is none.

        Raises:
            PermanentError: ``class_names_unclear`` when several differ and none is up the tree.
        """
        for folder in PurePosixPath(label).parents:
            if folder in self._by_folder:
                return self._by_folder[folder]
        if len({each.in_order for each in self.all}) > 1:
            files = ", ".join(shown(each.file) for each in self.all[:3])
            raise PermanentError(
                "class_names_unclear",
                f"the classes of {shown(label)} may be those of {files}, which differ",
                hint="import each set by itself, or put a classes.txt beside its labels",
            )
        return self.main


def _rank(file: str) -> tuple[bool, int, str]:
    path = PurePosixPath(file)
    return path.suffix == "" or path.name in NAME_FILES, file.count("/"), "" if path.name == _MAIN else file


def _in_yaml(files: FolderFiles) -> list[Description]:
    candidates = ((name, _load(files, name)) for name in files.with_suffix(".yaml", ".yml"))
    return [
        _describe(name, content)
        for name, content in candidates
        if isinstance(content, dict) and isinstance(content.get("names"), (list, dict))
    ]


def _load(files: FolderFiles, name: str) -> object:
    is_main = PurePosixPath(name).name == _MAIN
    if not is_main and files.path(name).stat().st_size > MAX_BYTES:
        return None
    try:
        return load_texts(files.read_text(name))
    except YamlLimitError as error:
        raise PermanentError("data_yaml_invalid", f"{shown(name)}: {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if is_main:
            raise PermanentError("data_yaml_invalid", f"{shown(name)} is not YAML") from error
        return None


def _describe(file: str, content: Mapping[str, Any]) -> Description:
    names = content["names"]
    pairs = list(enumerate(names) if isinstance(names, list) else names.items())
    try:
        numbered = {int(index): name.strip() for index, name in pairs}
    except (TypeError, ValueError, AttributeError) as error:
        raise PermanentError(
            "data_yaml_invalid", f"{shown(file)}: names is no list of names and no index to name map"
        ) from error
    sides = {side: value for side in ("train", "val", "test") if isinstance(value := content.get(side), str)}
    shape = content.get("kpt_shape")
    per_keypoint = int(shape[1]) if isinstance(shape, list) and shape[1:] in (["2"], ["3"]) else 0
    return Description(file, _readable(file, numbered), sides, per_keypoint)


def _in_name_files(files: FolderFiles) -> list[Description]:
    found = []
    for name in files.names:
        if PurePosixPath(name).name in NAME_FILES:
            lines = files.read_text(name).splitlines()
            names = {index: line.strip() for index, line in enumerate(lines) if line.strip()}
            found.append(Description(name, _readable(name, names)))
    return [each for each in found if each.names]


def _readable(file: str, names: Mapping[int, str]) -> Mapping[int, str]:
    if any(_NOT_UTF_8 in name for name in names.values()):
        raise PermanentError(
            "class_names_not_utf8",
            f"{shown(file)} is not UTF-8 text: its class names cannot be told",
            hint="save it as UTF-8",
        )
    return names
