"""JSON schemas of all events and jobs, one file per stream and queue: the golden files that tell when a contract changed.

``python -m azaion_common.contracts.schemas FOLDER`` writes them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from azaion_common.contracts import jobs
from azaion_common.contracts.events import datasets, dead_letters, devices, images, models

STREAMS: dict[str, Any] = {
    images.STREAM: images.ImagesEvent,
    datasets.STREAM: datasets.DatasetsEvent,
    models.STREAM: models.ModelsEvent,
    devices.STREAM: devices.DevicesEvent,
    dead_letters.STREAM: dead_letters.DeadLettersEvent,
}
CONTRACTS: dict[str, Any] = {**STREAMS, **{f"jobs.{queue}": body for queue, body in jobs.BODIES.items()}}
"""By the name of its golden file."""


def schema(contract: str) -> str:
    """The JSON schema of everything that may stand on a stream, or in a queue, as text."""
    schema_of_all = TypeAdapter(CONTRACTS[contract]).json_schema()
    return json.dumps(schema_of_all, indent=2, sort_keys=True) + "\n"


def write_schemas(folder: Path) -> None:
    """Write one file per contract."""
    folder.mkdir(parents=True, exist_ok=True)
    for contract in CONTRACTS:
        (folder / f"{contract}.json").write_text(schema(contract))


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
