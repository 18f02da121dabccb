"""Judges a run from two lists alone: inputs that were acknowledged, and effects that are there. Knows no system.

An input is ``writer-number``; a writer's numbers rise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """All empty: nothing lost, nothing twice, nothing made up, nothing out of order."""

    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    phantom: tuple[str, ...]
    reordered: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.duplicated or self.phantom or self.reordered)

    def __str__(self) -> str:
        parts = {
            "lost": self.lost, "duplicated": self.duplicated, "phantom": self.phantom, "reordered": self.reordered,
        }  # fmt: skip
        return ", ".join(f"{len(found)} {name} {list(found[:3])}" for name, found in parts.items())


def judge(acknowledged: Sequence[str], attempted: Sequence[str], effects: Sequence[str]) -> Verdict:
    """Compare ``effects``, in their order, with what was acknowledged; what was only attempted may be there or not."""
    times = Counter(effects)
    return Verdict(
        lost=tuple(each for each in acknowledged if each not in times),
        duplicated=tuple(each for each, count in times.items() if count > 1),
        phantom=tuple(times.keys() - set(attempted)),
        reordered=tuple(_falling(effects)),
    )


def _falling(effects: Sequence[str]) -> list[str]:
    highest: dict[str, int] = {}
    found = []
    for each in effects:
        writer, _, number = each.rpartition("-")
        if int(number) < highest.get(writer, 0):
            found.append(each)
        highest[writer] = max(int(number), highest.get(writer, 0))
    return found
