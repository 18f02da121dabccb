"""JSON schemas of all events, one file per stream: the golden files that tell when an event changed.

``python -m azaion_common.contracts.events.schemas FOLDER`` writes them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from azaion_common.contracts.events import datasets, dead_letters, devices, images, models

STREAMS: dict[str, Any] = {
    images.STREAM: images.ImagesEvent,
    datasets.STREAM: datasets.DatasetsEvent,
    models.STREAM: models.ModelsEvent,
    devices.STREAM: devices.DevicesEvent,
    dead_letters.STREAM: dead_letters.DeadLettersEvent,
}


def schema(stream: str) -> str:
    """The JSON schema of everything that may stand on ``stream``, as text."""
    schema_of_all = TypeAdapter(STREAMS[stream]).json_schema()
    return json.dumps(schema_of_all, indent=2, sort_keys=True) + "\n"


def write_schemas(folder: Path) -> None:
    """Write one file per stream."""
    folder.mkdir(parents=True, exist_ok=True)
    for stream in STREAMS:
        (folder / f"{stream}.json").write_text(schema(stream))


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
