"""One digest for what a home has come to, part by part: equal inputs have to lead to equal digests, whatever happened
on the way (kills, replays, another transport). Times, identities and a model's bytes are left out: they may differ.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

from looptest.evidence import DATASETS, IMAGES, MODELS, VIEWS, Event, Evidence

_VOLATILE = {"created_at", "offset", "raw_sha256", "stream_offsets"}


class Outcome(Protocol):
    """What a system has come to, wherever it keeps it."""

    def picture_rows(self) -> list[tuple[Any, ...]]: ...
    def variant_rows(self) -> list[tuple[Any, ...]]: ...
    def events(self, stream: str, kind: str | None = None) -> list[Event]: ...


def outcome(home: Path) -> dict[str, str]:
    """Digests of the ledgers' own tables, the views, the blobs that both name, and the streams."""
    evidence = Evidence(home)
    return shared_outcome(evidence) | {view: _digest(_files(evidence, view)) for view in VIEWS}


def shared_outcome(evidence: Outcome) -> dict[str, str]:
    """As ``outcome``, without the views: what a system has come to on any transport."""
    pictures, variants = evidence.picture_rows(), evidence.variant_rows()
    parts = {
        "pictures": sorted(pictures),
        "variants": sorted(variants),
        "blobs": sorted(
            {row[3] for row in pictures} | {sha256 for row in variants for sha256 in (row[2], row[4])}
        ),
        "streams": {stream: _events(evidence, stream) for stream in (IMAGES, DATASETS)},
        "models": Counter(event.type for event in evidence.events(MODELS)),
    }
    return {name: _digest(part) for name, part in parts.items()}


def _files(evidence: Evidence, view: str) -> list[tuple[str, str]]:
    return [
        (path.relative_to(evidence.home).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in evidence.view_files(view)
    ]


def _events(evidence: Outcome, stream: str) -> list[str]:
    """What the events say, in no order: services work side by side."""
    return sorted(
        json.dumps([event.type, _steady(event.data)], sort_keys=True) for event in evidence.events(stream)
    )


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _steady(item) for key, item in value.items() if key not in _VOLATILE}
    if isinstance(value, list):
        return [_steady(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


def _digest(part: object) -> str:
    return hashlib.sha256(json.dumps(part, sort_keys=True, default=str).encode()).hexdigest()
