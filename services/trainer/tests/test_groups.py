"""Which pictures stay together."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azaion_annotations.origins import origin_of
from azaion_trainer.groups import GroupingRules, Neighbourhood, Picture, find_groups

RULES = GroupingRules(gap_s=10.0, hash_distance=12)


def picture(
    name: str, dhash: int = 0, *, sha256: str = "", media: str = "", time_s: float | None = None
) -> Picture:
    return Picture(name, sha256 or name, dhash, media, time_s)


def far_hash(number: int) -> int:
    """Hashes of different numbers below 64 differ in about 32 bits, never in fewer than 20."""
    return random.Random(number).getrandbits(64)


def flipped(dhash: int, bits: int) -> int:
    return dhash ^ ((1 << bits) - 1)


def names(pictures: list[Picture], rules: GroupingRules = RULES) -> list[list[str]]:
    return [[pictures[index].name for index in group] for group in find_groups(pictures, rules)]


def test_no_pictures_make_no_groups() -> None:
    """The empty set has no groups."""
    assert find_groups([], RULES) == []


@pytest.mark.parametrize(("bits", "together"), [(0, True), (12, True), (13, False)])
def test_pictures_that_look_alike_stay_together(bits: int, together: bool) -> None:  # noqa: FBT001
    """Up to 12 of 64 differing bits link two pictures, 13 do not."""
    pictures = [picture("a", far_hash(1)), picture("b", flipped(far_hash(1), bits))]

    assert (len(find_groups(pictures, RULES)) == 1) == together


def test_equal_bytes_stay_together_whatever_their_hashes_say() -> None:
    """The same content under two names is one group."""
    pictures = [picture("a", far_hash(1), sha256="same"), picture("b", far_hash(2), sha256="same")]

    assert names(pictures) == [["a", "b"]]


@pytest.mark.parametrize(
    ("media", "times", "together"),
    [
        (("clip", "clip"), (0.0, 10.0), True),
        (("clip", "clip"), (0.0, 10.1), False),
        (("clip", "other"), (0.0, 0.0), False),
        (("", ""), (0.0, 0.0), False),
        (("clip", "clip"), (None, 0.0), False),
        (("clip", "clip"), (None, None), False),
    ],
)
def test_only_close_frames_of_one_known_recording_stay_together(
    media: tuple[str, str], times: tuple[float | None, float | None], *, together: bool
) -> None:
    """Recording and time link pictures only where both are known."""
    pictures = [
        picture(name, far_hash(number), media=media[number], time_s=times[number])
        for number, name in enumerate("ab")
    ]

    assert (len(find_groups(pictures, RULES)) == 1) == together


def test_links_reach_through_others() -> None:
    """Frames 8 s apart chain into one group however long the recording; a pause of more than the gap ends it."""
    times = [0.0, 8.0, 16.0, 24.0, 40.0, 48.0]
    pictures = [picture(f"f{at}", far_hash(at), media="clip", time_s=time) for at, time in enumerate(times)]

    assert names(pictures) == [["f0", "f1", "f2", "f3"], ["f4", "f5"]]


def test_planted_near_duplicates_are_found_among_thousands() -> None:
    """Each of 100 slightly altered copies is grouped with its original and with nothing else."""
    dice = random.Random(7)
    originals = [dice.getrandbits(64) for _ in range(3000)]
    pictures = [picture(f"o{number:04}", dhash) for number, dhash in enumerate(originals)]
    chosen = dice.sample(range(3000), 100)
    for number in chosen:
        bits = sum(1 << bit for bit in dice.sample(range(64), 5))
        pictures.append(picture(f"copy{number:04}", originals[number] ^ bits))

    pairs = {tuple(group) for group in names(pictures) if len(group) > 1}

    assert pairs == {(f"o{number:04}", f"copy{number:04}") for number in chosen}


hashes = st.integers(0, 2**64 - 1) | st.integers(0, 2**10)
some_pictures = st.lists(
    st.builds(
        picture,
        st.uuids().map(str),
        hashes,
        sha256=st.sampled_from(["", "x", "y"]),
        media=st.sampled_from(["", "m", "n"]),
        time_s=st.none() | st.integers(0, 60).map(float),
    ),
    max_size=25,
)


@given(some_pictures)
def test_groups_are_what_direct_links_connect(pictures: list[Picture]) -> None:
    """The fast way to groups agrees with a plain walk along ``Neighbourhood.near``."""
    near = Neighbourhood(pictures, RULES)
    expected, seen = [], set[int]()
    for start in range(len(pictures)):
        if start in seen:
            continue
        reached, waiting = {start}, [start]
        while waiting:
            new = set(near.near(waiting.pop()).nonzero()[0].tolist()) - reached
            reached |= new
            waiting += new
        seen |= reached
        expected.append(sorted(reached))

    assert find_groups(pictures, RULES) == expected


def test_copies_of_one_source_stay_together_as_imports_name_them() -> None:
    """Flipped and turned copies look like other pictures; what an import tells of their names keeps them together."""
    stems = [f"scene{scene:02}x_jpg.rf.{copy}a" for scene in range(3) for copy in range(3)]
    origins = [origin_of(stem) for stem in stems]
    pictures = [
        picture(stem, far_hash(number), media=origin.media_name, time_s=origin.media_time_s)
        for number, (stem, origin) in enumerate(zip(stems, origins, strict=True))
    ]

    assert names(pictures, GroupingRules(gap_s=0.0, hash_distance=0)) == [stems[:3], stems[3:6], stems[6:]]
