"""Which pictures show the same thing, so that all of them have to stay on one side of a split.

Two pictures are *linked* when

- they have the same bytes,
- they come from one recording and lie at most ``gap_s`` apart (pictures whose position in their recording is unknown
  have only the other two rules), or
- their 64-bit difference hashes differ in at most ``hash_distance`` bits.

Copies of one picture come as one moment of a recording, which is that picture (docs/adr/0012).

A group is whatever links connect, directly or through others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Picture:
    """What grouping has to know of one content of a picture. ``dhash`` is unsigned, 64 bits."""

    name: str
    sha256: str
    dhash: int
    media_name: str = ""
    media_time_s: float | None = None


@dataclass(frozen=True, slots=True)
class GroupingRules:
    """When two pictures are linked.

    Measured on aerial frames and on blood smears: frames of one scene find a neighbour within 11 of 64 bits, other
    scenes differ in 14 and more, and unrelated pictures of one kind in 28 (12 or less: 1 pair in 30 000). Under a
    moving camera hashes drift apart within a second, so there only time tells.
    """

    gap_s: float = 10.0
    hash_distance: int = 12


Mask = npt.NDArray[np.bool_]


class Neighbourhood:
    """The links among some pictures, looked up one picture at a time: memory stays linear in their number."""

    def __init__(self, pictures: Sequence[Picture], rules: GroupingRules) -> None:
        self._rules = rules
        self._hashes = np.array([picture.dhash for picture in pictures], dtype=np.uint64)
        self._contents = _codes(picture.sha256 for picture in pictures)
        self._media = _codes(picture.media_name for picture in pictures)
        self._has_media = np.array([bool(picture.media_name) for picture in pictures], dtype=bool)
        times = [np.nan if picture.media_time_s is None else picture.media_time_s for picture in pictures]
        self._times = np.array(times, dtype=np.float64)

    def near(self, index: int) -> Mask:
        """Which pictures are directly linked with the one at ``index`` (itself among them), (n,) bool."""
        alike = np.bitwise_count(self._hashes ^ self._hashes[index]) <= self._rules.hash_distance
        same_bytes = self._contents == self._contents[index]
        mask: Mask = alike | same_bytes | self._same_moment(index)
        return mask

    def _same_moment(self, index: int) -> Mask:
        close = np.abs(self._times - self._times[index]) <= self._rules.gap_s  # NaN, unknown, is never close
        mask: Mask = close & (self._media == self._media[index]) & self._has_media
        return mask


def find_groups(pictures: Sequence[Picture], rules: GroupingRules) -> list[list[int]]:
    """The groups as lists of indices into ``pictures``, each ascending, ordered by their first index."""
    union = _UnionFind(len(pictures))
    for first, second in _links(pictures, rules):
        union.join(first, second)
    groups: dict[int, list[int]] = {}
    for index in range(len(pictures)):
        groups.setdefault(union.root(index), []).append(index)
    return list(groups.values())


def _links(pictures: Sequence[Picture], rules: GroupingRules) -> Iterator[tuple[int, int]]:
    """Enough links to connect every group; not all that there are."""
    yield from _same_bytes(pictures)
    yield from _same_recording(pictures, rules.gap_s)
    yield from _near_duplicates(pictures, rules.hash_distance)


def _same_bytes(pictures: Sequence[Picture]) -> Iterator[tuple[int, int]]:
    first: dict[str, int] = {}
    for index, picture in enumerate(pictures):
        yield first.setdefault(picture.sha256, index), index


def _same_recording(pictures: Sequence[Picture], gap_s: float) -> Iterator[tuple[int, int]]:
    recordings: dict[str, list[tuple[float, int]]] = {}
    for index, picture in enumerate(pictures):
        if picture.media_name and picture.media_time_s is not None:
            recordings.setdefault(picture.media_name, []).append((picture.media_time_s, index))
    for members in recordings.values():
        yield from ((a, b) for (start, a), (end, b) in pairwise(sorted(members)) if end - start <= gap_s)


def _near_duplicates(pictures: Sequence[Picture], distance: int) -> Iterator[tuple[int, int]]:
    """Each distinct hash is compared with all that follow: n²/2 popcounts, about 10 s for 100 000 pictures."""
    hashes = np.array([picture.dhash for picture in pictures], dtype=np.uint64)
    distinct, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    yield from zip(first[inverse].tolist(), range(len(pictures)), strict=True)
    for row in range(len(distinct) - 1):
        near = np.bitwise_count(distinct[row + 1 :] ^ distinct[row]) <= distance
        for other in np.flatnonzero(near).tolist():
            yield int(first[row]), int(first[row + 1 + other])


def _codes(values: Iterable[str]) -> npt.NDArray[np.int64]:
    """Equal numbers for equal texts."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], dtype=np.int64)


class _UnionFind:
    """Disjoint sets with path halving; the root is always the lowest index."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def root(self, index: int) -> int:
        parents = self._parents
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    def join(self, first: int, second: int) -> None:
        low, high = sorted((self.root(first), self.root(second)))
        self._parents[high] = low
