"""Looks at a data.yaml before ultralytics does: one clear line for what is wrong, and no downloads.

Two habits of ultralytics are taken away here. A relative ``path`` is resolved against the current directory there,
against the file's own folder here; a ``download`` key is run as a script there, and dropped here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from azaion_ultralytics.errors import ToolchainError

PICTURE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def unreadable(message: str) -> ToolchainError:
    return ToolchainError("dataset_unreadable", message)


def read_dataset(path: Path, *, sides: tuple[str, ...]) -> dict[str, Any]:
    """The dataset of a data.yaml with absolute paths.

    Raises:
        ToolchainError: ``dataset_unreadable`` when the file, its class names or the pictures of ``sides`` are missing.
    """
    data = _load(path)
    names = _names(path, data.get("names"))
    root = (path.parent / str(data.get("path") or ".")).resolve()
    found = {
        side: _side(path, root, side, data.get(side)) for side in ("train", "val", "test") if data.get(side)
    }
    for side in sides:
        if side not in found:
            raise unreadable(f"{path} names no pictures for '{side}'")
        if not any(_has_pictures(entry) for entry in found[side]):
            raise unreadable(f"there are no pictures in '{side}' of {path}")
    return {
        "path": str(root),
        **{side: [str(entry) for entry in entries] for side, entries in found.items()},
        "names": names,
    }


def write_dataset(data: dict[str, Any], path: Path) -> Path:
    """Write what `read_dataset` returned where ultralytics can read it. It insists on train and val, even unused."""
    sides = {
        "train": data.get("train") or [],
        "val": data.get("val") or data.get("train") or data.get("test"),
    }
    path.write_text(yaml.safe_dump({**data, **sides}, sort_keys=False))
    return path


def _load(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise unreadable(f"{path} is not YAML: {error}") from error
    if not isinstance(data, dict):
        raise unreadable(f"{path} is not a YAML mapping")
    return data


def _names(path: Path, names: object) -> dict[int, str]:
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise unreadable(f"{path} has no class 'names'")
    if sorted(names, key=str) != sorted(range(len(names)), key=str):
        raise unreadable(f"the class ids in {path} are not 0 to {len(names) - 1}")
    return {int(number): str(name) for number, name in names.items()}


def _side(path: Path, root: Path, side: str, value: object) -> list[Path]:
    entries = [(root / str(entry)).resolve() for entry in (value if isinstance(value, list) else [value])]
    for entry in entries:
        if not entry.exists():
            raise unreadable(f"'{side}' of {path} is missing: {entry}")
    return entries


def _has_pictures(entry: Path) -> bool:
    if entry.is_dir():
        return any(file.suffix.lower() in PICTURE_SUFFIXES for file in entry.rglob("*"))
    return entry.stat().st_size > 0
