"""Sides: never two for a group, never another one later."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from azaion_trainer.groups import GroupingRules, Neighbourhood, Picture, find_groups
from azaion_trainer.split import (
    SHARES,
    SIDES,
    GroupWeight,
    Placed,
    SplitPolicy,
    choose_key,
    place,
    side_of,
)

RULES = GroupingRules()
POLICY = SplitPolicy(b"k" * 32, RULES)


def scene(number: int) -> int:
    return random.Random(number).getrandbits(64)


def picture(name: str, dhash: int) -> Picture:
    return Picture(name, f"{name}/{dhash}", dhash)


def founder_on(side: str, start: int = 0) -> str:
    """A name whose group falls to ``side``."""
    return next(f"p{n}" for n in range(start, 10_000) if side_of(POLICY.key, f"p{n}") == side)


def between(first: int, second: int) -> int:
    """A hash within 12 bits of two that differ in 20 bits."""
    differing = [bit for bit in range(64) if (first ^ second) >> bit & 1]
    return first ^ sum(1 << bit for bit in differing[: len(differing) // 2])


def apart(dhash: int, bits: int) -> int:
    return dhash ^ ((1 << bits) - 1)


class Life(RuleBasedStateMachine):
    """Pictures come, change and go in any order; after each step a dataset is formed."""

    def __init__(self) -> None:
        super().__init__()
        self.current: dict[str, Picture] = {}
        self.known: dict[tuple[str, str], Placed] = {}
        self.sides: dict[str, str] = {}

    @rule(name=st.sampled_from("abcdefghijkl"), seed=st.integers(0, 3), bits=st.integers(0, 24))
    def save(self, name: str, seed: int, bits: int) -> None:
        """Add a picture, or give it other content; many look alike, some only through others."""
        self.current[name] = picture(name, apart(scene(seed), bits))

    @rule(name=st.sampled_from("abcdefghijkl"))
    def delete(self, name: str) -> None:
        self.current.pop(name, None)

    @rule()
    def form(self) -> None:
        placement = place(list(self.current.values()), list(self.known.values()), POLICY)
        placed_names = {placed.picture.name for placed in placement.placed}
        assert placed_names | set(placement.bridges) == set(self.current)
        assert not placed_names & set(placement.bridges)
        for placed in placement.placed:
            self.known[placed.picture.name, placed.picture.sha256] = placed
            assert self.sides.setdefault(placed.picture.name, placed.side) == placed.side
        self._check(placement.placed)

    def _check(self, placed: tuple[Placed, ...]) -> None:
        for group in find_groups([each.picture for each in placed], RULES):
            assert len({placed[index].side for index in group}) == 1

    @invariant()
    def no_two_sides_are_linked(self) -> None:
        """Holds over everything ever placed, deleted pictures and former contents too."""
        everything = list(self.known.values())
        near = Neighbourhood([placed.picture for placed in everything], RULES)
        for index, placed in enumerate(everything):
            assert side_of(POLICY.key, placed.group) == placed.side
            assert {everything[other].side for other in near.near(index).nonzero()[0]} == {placed.side}


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_new_picture_joins_the_side_of_its_scene() -> None:
    """A near-duplicate of a test picture is a test picture, whatever its own name hashes to."""
    known = [Placed(picture("old", scene(1)), "test", founder_on("test"))]
    new = picture("new", apart(scene(1), 6))

    placement = place([new], known, POLICY)

    assert [(placed.side, placed.group) for placed in placement.placed] == [("test", known[0].group)]


def test_a_bridge_between_two_sides_is_left_out_and_named() -> None:
    """Both scenes stay where they are; the picture that would join them is in no dataset."""
    first, second = scene(1), apart(scene(1), 20)
    train, test = founder_on("train"), founder_on("test")
    known = [Placed(picture(train, first), "train", train), Placed(picture(test, second), "test", test)]
    bridge = picture("zz", between(first, second))

    placement = place([known[0].picture, known[1].picture, bridge], known, POLICY)

    assert placement.bridges == ("zz",)
    assert {placed.side for placed in placement.placed} == {"train", "test"}


def test_the_scenes_beside_a_bridge_go_on_growing() -> None:
    """Later pictures of either scene are still placed, although the bridge connects everything."""
    first, second = scene(1), apart(scene(1), 20)
    train, test = founder_on("train"), founder_on("test")
    known = [Placed(picture(train, first), "train", train), Placed(picture(test, second), "test", test)]
    news = [
        picture("bridge", between(first, second)),
        picture("n1", first ^ (1 << 63)),
        picture("n2", second ^ (1 << 63)),
    ]

    placement = place(news, known, POLICY)

    assert {placed.picture.name: placed.side for placed in placement.placed} == {"n1": "train", "n2": "test"}


def test_a_picture_edited_into_another_sides_scene_is_left_out() -> None:
    """Its name has a side already, its new content has another one: neither may change."""
    train, test = founder_on("train"), founder_on("test")
    known = [Placed(picture(train, scene(1)), "train", train), Placed(picture(test, scene(2)), "test", test)]

    placement = place([picture(train, scene(2) ^ 1), known[1].picture], known, POLICY)

    assert placement.bridges == (train,)


def test_a_deleted_picture_still_holds_its_scene() -> None:
    """Models have seen it, so look-alikes that come later keep to its side."""
    gone = Placed(picture("gone", scene(1)), "train", founder_on("train"))
    newcomer = picture(founder_on("test"), scene(1) ^ 1)

    placement = place([newcomer], [gone], POLICY)

    assert placement.placed[0].side == "train"


@given(st.permutations(range(40)), st.integers(0, 5))
def test_the_order_of_arrival_in_one_dataset_does_not_matter(order: list[int], seed: int) -> None:
    """The same pictures get the same sides in any order."""
    pictures = [picture(f"n{number}", apart(scene(number % 13 + seed), number // 13)) for number in range(40)]

    assert place([pictures[index] for index in order], [], POLICY) == place(pictures, [], POLICY)


def test_many_groups_come_close_to_the_shares() -> None:
    """With 5000 groups each share is within 2 % of 70/20/10 (four standard deviations), under any key."""
    for key in (b"a", b"b", b"c"):
        counts = Counter(side_of(key, f"group {number}") for number in range(5000))

        for side in SIDES:
            assert (
                abs(counts[side] / 5000 - SHARES[side])
                < 4 * (SHARES[side] * (1 - SHARES[side]) / 5000) ** 0.5
            )


def weights(*sizes: int, objects: dict[int, dict[int, int]] | None = None) -> list[GroupWeight]:
    given_objects = objects or {}
    return [GroupWeight(f"g{n}", size, given_objects.get(n, {})) for n, size in enumerate(sizes)]


@pytest.mark.parametrize("sizes", [(1, 1, 1), (25, 26, 20, 20, 11, 8, 4, 1, 1), (100, 3, 2), tuple([1] * 40)])
def test_the_chosen_key_leaves_no_side_empty(sizes: tuple[int, ...]) -> None:
    """From three groups on each side gets one, however uneven they are."""
    key = choose_key(weights(*sizes))

    assert {side_of(key, f"g{n}") for n in range(len(sizes))} == set(SIDES)


def test_the_chosen_key_puts_each_frequent_class_on_each_side() -> None:
    """Class 1 is only in four of twelve groups, and still in train, valid and test."""
    objects = {n: {0: 50, **({1: 20} if n < 4 else {})} for n in range(12)}

    key = choose_key(weights(*[10] * 12, objects=objects))

    assert {side_of(key, f"g{n}") for n in range(4)} == set(SIDES)


def test_the_chosen_key_beats_chance_on_a_few_groups() -> None:
    """With 30 groups the shares are within 3 % of 70/20/10."""
    key = choose_key(weights(*[10] * 30))
    counts = Counter(side_of(key, f"g{n}") for n in range(30))

    assert all(abs(counts[side] / 30 - SHARES[side]) < 0.034 for side in SIDES)


@pytest.mark.slow
def test_sides_do_not_depend_on_python_hash_randomisation() -> None:
    """Two interpreters with different hash seeds choose the same key and the same sides."""
    program = (
        "from azaion_trainer.split import *; from azaion_trainer.groups import *;"
        "w=[GroupWeight(f'g{n}', n % 5 + 1, {n % 3: 9, 7: n}) for n in range(25)];k=choose_key(w);"
        "ps=[Picture(f'p{n}', f's{n % 20}', n * 0x9E3779B97F4A7C15 % 2**64, 'm', n * 7.0) for n in range(60)];"
        "print(k.hex(), [(e.picture.name, e.side, e.group) for e in place(ps, [], SplitPolicy(k)).placed])"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},  # noqa: TID251
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(runs) == 1
