"""Which pictures and frames a report shows. Pure, and the same choice each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from azaion_common.contracts.events import BatchAugmented, ImageSaved

PICTURES = 3
FRAMES = 8
_READABLE_BOXES = 12
"""About so many boxes show what is going on; with many more, a small picture shows boxes only."""

_Item = TypeVar("_Item")


def choose_pictures(
    saved: Mapping[str, ImageSaved],
    augmented: Mapping[str, BatchAugmented],
    train_groups: Mapping[str, str],
    count: int = PICTURES,
) -> list[str]:
    """Names of pictures that show most: one per scene, each condition in turn, many classes, boxes enough.

    ``train_groups`` has the group of each picture of the train side, the only one whose variants are used.
    """
    candidates = [saved[name] for name in sorted(augmented) if name in saved]
    on_train = [event for event in candidates if event.name in train_groups]
    one_per_group: dict[str, ImageSaved] = {}
    for event in sorted(on_train or candidates, key=_interest, reverse=True):
        one_per_group.setdefault(train_groups.get(event.name, event.name), event)
    by_condition: dict[str, list[ImageSaved]] = {}
    for event in one_per_group.values():
        by_condition.setdefault(condition_of(event), []).append(event)
    queues = [by_condition[condition] for condition in sorted(by_condition, key=_usual_order)]
    return [event.name for event in _in_turn(queues)[:count]]


def condition_of(event: ImageSaved) -> str:
    """The condition of most boxes; empty for a picture without boxes."""
    counts = Counter(box.condition for box in event.boxes)
    return counts.most_common(1)[0][0] if counts else ""


def evenly(items: Sequence[_Item], count: int) -> list[_Item]:
    """At most ``count`` of ``items``, spread over all of them, in their order."""
    if len(items) <= count:
        return list(items)
    return [items[(2 * index + 1) * len(items) // (2 * count)] for index in range(count)]


def _interest(event: ImageSaved) -> tuple[bool, int, int, str]:
    classes = len({box.class_id for box in event.boxes})
    readable = 0 < len(event.boxes) <= 2 * _READABLE_BOXES
    return readable, classes, -abs(len(event.boxes) - _READABLE_BOXES), event.name


def _usual_order(condition: str) -> tuple[bool, bool, str]:
    """The plain condition first, pictures without any box last."""
    return condition == "", condition != "Norm", condition


def _in_turn(queues: Iterable[Sequence[_Item]]) -> list[_Item]:
    rows = [list(queue) for queue in queues]
    longest = max(map(len, rows), default=0)
    return [row[index] for index in range(longest) for row in rows if index < len(row)]
