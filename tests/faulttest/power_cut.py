"""What a power cut does to files and a kill does not, and what is in them afterwards."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def tear(path: Path, safe_bytes: int, chance: random.Random) -> int:
    """Cut a file behind what is safe, at a random byte; sometimes zeros are left. How much went."""
    content = path.read_bytes()
    cut = chance.randint(safe_bytes, len(content))
    left = b"\0" * chance.choice([0, 0, len(content) - cut])
    path.write_bytes(content[:cut] + left)
    return len(content) - cut


def safe(folder: Path, synced: Mapping[Path, int]) -> Iterator[Record]:
    """Lines that a power cut leaves: of closed files all, of the others as much as was ``synced``."""
    for path in folder.iterdir():
        if path.suffix == ".gz":
            yield from map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
        elif path.suffix == ".jsonl":
            lines = path.read_bytes()[: synced.get(path, 0)].splitlines()
            yield from filter(None, map(record, lines))


def record(line: bytes) -> Record | None:
    """None where a kill fell into the middle of a write."""
    try:
        found: Record = json.loads(line)
    except ValueError:
        return None
    return found


def records(folder: Path) -> Iterator[Record]:
    """Every line of every file; each of them parses."""
    for path in sorted(folder.iterdir()):
        if path.name.endswith(".tmp") or path.with_name(f"{path.name}.gz").exists():
            continue  # killed while it was packed: the packed one is whole
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        yield from map(json.loads, content.splitlines())
