"""What our own exports know beyond labels: the recording of a picture, its place in it, when it was taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from azaion_annotations.formats.files import FolderFiles
from azaion_annotations.formats.source import SourceFolder, SourcePicture
from azaion_common.core.errors import PermanentError

FILE_NAME = "pictures.jsonl"


def with_sidecar(source: SourceFolder, files: FolderFiles) -> SourceFolder:
    """``source`` with what its ``pictures.jsonl`` says; lines that are none of ours are passed over."""
    if FILE_NAME not in files.names:
        return source
    try:
        lines = files.read_text(FILE_NAME).splitlines()
    except PermanentError:
        return source
    facts = {name: fields for name, fields in map(_fields, lines) if name}
    pictures = tuple(_told(picture, facts.get(picture.name)) for picture in source.pictures)
    return replace(source, pictures=pictures)


def _fields(line: str) -> tuple[str, Mapping[str, Any]]:
    try:
        fields = json.loads(line)
        return str(fields["name"]), fields
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", {}


def _told(picture: SourcePicture, facts: Mapping[str, Any] | None) -> SourcePicture:
    if facts is None:
        return picture
    recording, position, taken = (facts.get(key) for key in ("recording", "position_s", "captured_at"))
    try:
        captured_at = datetime.fromisoformat(str(taken)) if taken else None
    except ValueError:
        captured_at = None
    return replace(
        picture,
        recording=recording if isinstance(recording, str) else "",
        position_s=float(position) if isinstance(position, (int, float)) else None,
        captured_at=captured_at if captured_at and captured_at.tzinfo else picture.captured_at,
    )
