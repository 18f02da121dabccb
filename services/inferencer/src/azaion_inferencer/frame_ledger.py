"""The frame ledger: where every frame that was read has gone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class FrameLedger:
    """At the end of a run ``read == inferred + skipped + dropped``; on the way, the rest is in the pipeline.

    Each count is written by one thread only.
    """

    read: int = 0
    inferred: int = 0
    skipped: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def balanced(self) -> bool:
        return self.read == self.inferred + self.skipped + self.dropped.total()

    def as_dict(self) -> dict[str, object]:
        return {
            "read": self.read,
            "inferred": self.inferred,
            "skipped": self.skipped,
            "dropped": dict(self.dropped),
        }
