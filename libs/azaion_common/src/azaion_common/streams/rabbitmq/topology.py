"""What a stream is made with: how long it keeps what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CONTROL_STREAM = "azaion.acknowledgements"
_CONTROL = {"max-length-bytes": str(8 << 20), "stream-max-segment-size-bytes": str(1 << 20)}
_LEADER = {"queue-leader-locator": "balanced"}


@dataclass(frozen=True, slots=True)
class Retention:
    """Limits of streams that this process makes; a stream that exists keeps those it has. None: for ever."""

    max_bytes: Mapping[str, int] = field(default_factory=dict)
    max_age_s: Mapping[str, int] = field(default_factory=dict)
    segment_bytes: int | None = None


def arguments(retention: Retention, stream: str) -> Mapping[str, str]:
    """Arguments for making ``stream`` (or a partition of it)."""
    if stream == CONTROL_STREAM:
        return _CONTROL | _LEADER
    logical = stream.rpartition("-")[0] if stream.rpartition("-")[2].isdigit() else stream
    chosen = dict(_LEADER)
    for name, limits, unit in (
        ("max-length-bytes", retention.max_bytes, ""),
        ("max-age", retention.max_age_s, "s"),
    ):
        limit = limits.get(stream, limits.get(logical))
        if limit is not None:
            chosen[name] = f"{limit}{unit}"
    if retention.segment_bytes is not None:
        chosen["stream-max-segment-size-bytes"] = str(retention.segment_bytes)
    return chosen
