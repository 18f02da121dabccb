"""What a stream is made with: how long it keeps what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from azaion_common.platform.streams.partitions import Partitioning

CONTROL_STREAM = "azaion.acknowledgements"
_CONTROL = {"max-length-bytes": str(8 << 20), "stream-max-segment-size-bytes": str(1 << 20)}
_LEADER = {"queue-leader-locator": "balanced"}


@dataclass(frozen=True, slots=True)
class Retention:
    """Limits of streams that this process makes; a stream that exists keeps those it has. None: for ever."""

    max_bytes: Mapping[str, int] = field(default_factory=dict)
    max_age_s: Mapping[str, int] = field(default_factory=dict)
    segment_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """How streams are made."""

    retention: Retention
    partitioning: Partitioning

    def arguments(self, stream: str) -> Mapping[str, str]:
        """Queue arguments for making ``stream``, which may be a part of one that has limits."""
        return _arguments(self.retention, stream, self.partitioning.whole(stream) or stream)


def _arguments(retention: Retention, stream: str, whole: str) -> Mapping[str, str]:
    if stream == CONTROL_STREAM:
        return _CONTROL | _LEADER
    chosen = dict(_LEADER)
    for name, limits, unit in (
        ("max-length-bytes", retention.max_bytes, ""),
        ("max-age", retention.max_age_s, "s"),
    ):
        limit = limits.get(stream, limits.get(whole))
        if limit is not None:
            chosen[name] = f"{limit}{unit}"
    if retention.segment_bytes is not None:
        chosen["stream-max-segment-size-bytes"] = str(retention.segment_bytes)
    return chosen
