"""Which side of the split a picture belongs to: decided once by a keyed hash of its group, and never changed.

A group is known by the name of the member that founded it. HMAC-SHA256 of that name under the split key is a number
in [0, 1) that falls to train, valid or test. New pictures join the group they are linked with; one that would
connect groups of two sides (a *bridge*) is left out of datasets instead.

With few groups, chance could leave a side empty. So the key is chosen once, for the pictures of the first dataset,
among keys that are the same everywhere, and then kept for good: see ``choose_key``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from azaion_trainer.groups import GroupingRules, Neighbourhood, Picture, find_groups

Side = Literal["train", "valid", "test"]
SIDES: tuple[Side, ...] = get_args(Side)
SHARES: Mapping[Side, float] = {"train": 0.7, "valid": 0.2, "test": 0.1}
MIN_GROUPS = len(SIDES)

MAX_CANDIDATES = 4096
_HASHES_TO_SPEND = 100_000
_FREQUENT_SHARE = 0.01
_FREQUENT_OBJECTS = 10


@dataclass(frozen=True, slots=True)
class SplitPolicy:
    """What decides sides; frozen with the first dataset, because sides could not be stable otherwise."""

    key: bytes
    rules: GroupingRules = field(default_factory=GroupingRules)

    @property
    def key_sha256(self) -> str:
        return hashlib.sha256(self.key).hexdigest()


@dataclass(frozen=True, slots=True)
class Placed:
    """One content of a picture with the side it was given for ever, and the founder of its group."""

    picture: Picture
    side: Side
    group: str


@dataclass(frozen=True, slots=True)
class Placement:
    """The current pictures with their sides, and the names of those that would bridge two sides."""

    placed: tuple[Placed, ...]
    bridges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupWeight:
    """A group as the choice of a key sees it: how many pictures and how many objects of each class in each condition."""

    founder: str
    pictures: int
    objects: Mapping[int, int]


def side_of(key: bytes, group: str) -> Side:
    """The side of the group that ``group`` founded."""
    number = int.from_bytes(hmac.digest(key, group.encode(), "sha256")[:8], "big") / 2**64
    if number < SHARES["train"]:
        return "train"
    return "valid" if number < SHARES["train"] + SHARES["valid"] else "test"


def place(current: Sequence[Picture], known: Sequence[Placed], policy: SplitPolicy) -> Placement:
    """Sides for ``current``. ``known`` is everything ever placed, deleted pictures and former contents too.

    The result does not depend on the order of either. A picture keeps the side of its name; a content keeps the side
    that it was given.
    """
    return _Placing(current, known, policy).run()


class _Placing:
    """One run of ``place``: what is known comes first, then what is new, each in the order of names."""

    def __init__(self, current: Sequence[Picture], known: Sequence[Placed], policy: SplitPolicy) -> None:
        self._current = sorted(current, key=_order)
        self._policy = policy
        self._of_content = {_order(entry.picture): entry for entry in known}
        self._of_name = {entry.picture.name: entry for entry in known}
        self._bridges: list[str] = []

    def run(self) -> Placement:
        fresh = [picture for picture in self._current if _order(picture) not in self._of_content]
        former = sorted(self._of_content.values(), key=lambda entry: _order(entry.picture))
        pictures = [*(entry.picture for entry in former), *fresh]
        for members in find_groups(pictures, self._policy.rules):
            self._settle([pictures[index] for index in members])
        placed = [
            self._of_content[_order(picture)]
            for picture in self._current
            if _order(picture) in self._of_content
        ]
        return Placement(tuple(placed), tuple(sorted(self._bridges)))

    def _settle(self, members: list[Picture]) -> None:
        claims = [claim for claim in map(self._claim, members) if claim]
        if len({claim.side for claim in claims}) > 1:
            self._untangle(members)
            return
        group = min((claim.group for claim in claims), default=min(member.name for member in members))
        for member in members:
            self._give(member, group)

    def _claim(self, picture: Picture) -> Placed | None:
        """The side that ``picture`` already has, by its bytes or by its name."""
        return self._of_content.get(_order(picture)) or self._of_name.get(picture.name)

    def _give(self, picture: Picture, group: str) -> None:
        own = self._of_name.get(picture.name)
        founder = own.group if own else group
        entry = Placed(picture, side_of(self._policy.key, founder), founder)
        self._of_content.setdefault(_order(picture), entry)

    def _untangle(self, members: list[Picture]) -> None:
        """Let new pictures join the side that they touch, one ring after the other; who touches two is a bridge."""
        near = Neighbourhood(members, self._policy.rules)
        open_ones = [index for index, member in enumerate(members) if _order(member) not in self._of_content]
        while open_ones:
            waiting = [index for index in open_ones if not self._join(members, index, near)]
            if len(waiting) == len(open_ones):
                break
            open_ones = waiting
        self._settle_rest([members[index] for index in open_ones])

    def _join(self, members: list[Picture], index: int, near: Neighbourhood) -> bool:
        """Place or refuse one picture by its direct neighbours; False when none of them has a side yet."""
        placed = [self._of_content.get(_order(members[other])) for other in near.near(index).nonzero()[0]]
        neighbours = [entry for entry in placed if entry]
        own = self._of_name.get(members[index].name)
        claims = [*neighbours, own] if own else neighbours
        if not claims:
            return False
        if len({claim.side for claim in claims}) > 1:
            self._bridges.append(members[index].name)
        else:
            self._give(members[index], min(claim.group for claim in claims))
        return True

    def _settle_rest(self, members: list[Picture]) -> None:
        for group in find_groups(members, self._policy.rules):
            self._settle([members[index] for index in group])


def _order(picture: Picture) -> tuple[str, str]:
    return picture.name, picture.sha256


def choose_key(groups: Sequence[GroupWeight]) -> bytes:
    """The key under which ``groups`` split best; the same groups give the same key on every machine.

    In this order: no side is empty; no frequent class (at least 10 objects and 1 % of all) is missing from a side;
    then the pictures and the objects of each frequent class come close to 70/20/10.
    """
    ordered = sorted(groups, key=lambda group: group.founder)
    frequent = _frequent_classes(ordered)
    count = max(16, min(MAX_CANDIDATES, _HASHES_TO_SPEND // max(len(ordered), 1)))
    candidates = [hashlib.sha256(f"azaion split key {number}".encode()).digest() for number in range(count)]
    return min(candidates, key=lambda key: _cost(key, ordered, frequent))


def _frequent_classes(groups: Sequence[GroupWeight]) -> list[int]:
    totals: Counter[int] = Counter()
    for group in groups:
        totals.update(group.objects)
    least = max(_FREQUENT_OBJECTS, _FREQUENT_SHARE * totals.total())
    return sorted(class_id for class_id, objects in totals.items() if objects >= least)


def _cost(key: bytes, groups: Sequence[GroupWeight], frequent: Sequence[int]) -> tuple[int, int, float]:
    sides = [side_of(key, group.founder) for group in groups]
    empty = len(SIDES) - len(set(sides))
    if empty:
        return empty, len(frequent), 0.0
    pictures: Counter[Side] = Counter()
    objects: dict[int, Counter[Side]] = {class_id: Counter() for class_id in frequent}
    for group, side in zip(groups, sides, strict=True):
        pictures[side] += group.pictures
        for class_id, counter in objects.items():
            counter[side] += group.objects.get(class_id, 0)
    missing = sum(not counter[side] for counter in objects.values() for side in SIDES)
    class_error = sum(map(_ratio_error, objects.values())) / max(len(objects), 1)
    return empty, missing, _ratio_error(pictures) + 0.5 * class_error


def _ratio_error(counts: Counter[Side]) -> float:
    """How far the shares are off, relative to what each side should have: a test side of twice its size costs 1."""
    total = max(counts.total(), 1)
    return sum(abs(counts[side] / total - share) / share for side, share in SHARES.items())
