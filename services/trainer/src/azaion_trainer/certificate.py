"""The leak certificate: what was checked on a manifest so that no side of it knows another.

``certify`` runs all checks and writes down what it examined; ``verify`` runs them again and compares. Anybody who
has the two files can do so: the manifest carries the split key, which is there for stability and no secret.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field, ValidationError

from azaion_common.contracts.events.references import Sha256, Value
from azaion_common.core.errors import PermanentError
from azaion_trainer.groups import find_groups
from azaion_trainer.manifest import LeftOut, Manifest
from azaion_trainer.split import SHARES, SIDES, Side, side_of

HASH_BITS = 64


class Check(Value):
    """One statement that was found true, and how many things were looked at for it."""

    name: str
    statement: str
    examined: int = Field(ge=0)


class Certificate(Value):
    """Valid for exactly one manifest, the one whose SHA-256 is ``dataset_id``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    dataset_id: Sha256
    split_key_sha256: Sha256
    shares: dict[Side, float]
    gap_s: float
    hash_distance: int
    pictures: dict[Side, int]
    groups: dict[Side, int]
    closest_across_sides: int
    """Fewest differing bits between the hashes of two pictures on different sides, of 64."""
    checks: tuple[Check, ...]
    left_out: tuple[LeftOut, ...]


def certify(manifest: Manifest) -> Certificate:
    """Check everything and say so.

    Raises:
        PermanentError: ``dataset_leaks``, naming the first thing found.
    """
    checks = tuple(
        Check(name=name, statement=statement, examined=check(manifest)) for name, statement, check in _CHECKS
    )
    return Certificate(
        dataset_id=manifest.dataset_id,
        split_key_sha256=manifest.policy.key_sha256,
        shares=dict(SHARES),
        gap_s=manifest.gap_s,
        hash_distance=manifest.hash_distance,
        pictures=_per_side(picture.side for picture in manifest.pictures),
        groups=_per_side(
            side for side, _ in {(picture.side, picture.group) for picture in manifest.pictures}
        ),
        closest_across_sides=_closest_across_sides(manifest),
        checks=checks,
        left_out=manifest.left_out,
    )


def verify(manifest: Manifest, certificate: Certificate) -> None:
    """Recompute the certificate and compare.

    Raises:
        PermanentError: ``dataset_leaks`` if a check fails, or if the certificate says anything else than the
            recomputed one.
    """
    recomputed = certify(manifest)
    if recomputed != certificate:
        wrong = [
            name
            for name in Certificate.model_fields
            if getattr(recomputed, name) != getattr(certificate, name)
        ]
        raise _leak(f"the certificate is not that of this manifest: it differs in {', '.join(wrong)}")


def decode_certificate(data: bytes) -> Certificate:
    """The certificate in ``data``; raises PermanentError ``dataset_leaks``: without one, nothing is proven."""
    try:
        return Certificate.model_validate_json(data)
    except ValidationError as error:
        raise _leak(f"not a leak certificate: {error.errors()[0]['msg']}") from error


def _sides_filled(manifest: Manifest) -> int:
    for side, count in _per_side(picture.side for picture in manifest.pictures).items():
        if not count:
            raise _leak(f"the {side} side is empty")
    return len(SIDES)


def _sides_follow_key(manifest: Manifest) -> int:
    key = manifest.policy.key
    for picture in manifest.pictures:
        if side_of(key, picture.group) != picture.side:
            raise _leak(
                f"'{picture.name}' is on the {picture.side} side, where the key does not put its group"
            )
    return len(manifest.pictures)


def _groups_on_one_side(manifest: Manifest) -> int:
    groups = find_groups([picture.picture for picture in manifest.pictures], manifest.policy.rules)
    for members in groups:
        _one_side(manifest, members, "show the same scene")
    return len(groups)


def _one_side(manifest: Manifest, members: Sequence[int], why: str) -> None:
    first = manifest.pictures[members[0]]
    for index in members[1:]:
        other = manifest.pictures[index]
        if other.side != first.side:
            raise _leak(f"'{first.name}' ({first.side}) and '{other.name}' ({other.side}) {why}")


def _bytes_on_one_side(manifest: Manifest) -> int:
    seen: dict[str, tuple[Side, str]] = {}
    for picture in manifest.pictures:
        for sha256 in (picture.sha256, *(file.image.sha256 for file in picture.files)):
            side, name = seen.setdefault(sha256, (picture.side, picture.name))
            if side != picture.side:
                raise _leak(
                    f"the same image is on two sides: '{name}' ({side}), '{picture.name}' ({picture.side})"
                )
    return len(seen)


def _no_near_duplicates(manifest: Manifest) -> int:
    closest = _closest_across_sides(manifest)
    if closest <= manifest.hash_distance:
        raise _leak(f"two pictures on different sides differ in only {closest} of {HASH_BITS} hash bits")
    counts = _per_side(picture.side for picture in manifest.pictures)
    return sum(counts[a] * counts[b] for a, b in combinations(SIDES, 2))


def _variants_only_in_train(manifest: Manifest) -> int:
    for picture in manifest.pictures:
        if picture.side != "train" and len(picture.files) > 1:
            raise _leak(f"'{picture.name}' has variants on the {picture.side} side")
    return sum(len(picture.files) - 1 for picture in manifest.pictures)


def _names_are_unique(manifest: Manifest) -> int:
    names = Counter(file.name for picture in manifest.pictures for file in picture.files)
    for name, times in names.items():
        if times > 1:
            raise _leak(f"the file name '{name}' is there {times} times")
    return len(names)


_CHECKS: tuple[tuple[str, str, Callable[[Manifest], int]], ...] = (
    ("sides_filled", "every side has pictures", _sides_filled),
    ("sides_follow_key", "each picture is where the split key puts its group", _sides_follow_key),
    ("groups_on_one_side", "no group (scene) is on two sides", _groups_on_one_side),
    ("bytes_on_one_side", "no image is on two sides", _bytes_on_one_side),
    ("no_near_duplicates", "no two pictures on different sides look alike", _no_near_duplicates),
    (
        "variants_only_in_train",
        "only train has augmented variants, all of its own pictures",
        _variants_only_in_train,
    ),
    ("names_are_unique", "no file hides another", _names_are_unique),
)


def _closest_across_sides(manifest: Manifest) -> int:
    """Compared pair by pair, so independently of how groups are found."""
    hashes = {side: _hashes(manifest, side) for side in SIDES}
    distances = [_closest(hashes[a], hashes[b]) for a, b in combinations(SIDES, 2)]
    return min(distances)


def _hashes(manifest: Manifest, side: Side) -> npt.NDArray[np.uint64]:
    return np.unique(np.array([int(picture.dhash, 16) for picture in manifest.side(side)], dtype=np.uint64))


def _closest(some: npt.NDArray[np.uint64], others: npt.NDArray[np.uint64]) -> int:
    if not len(some) or not len(others):
        return HASH_BITS
    few, many = sorted((some, others), key=len)
    return min(int(np.bitwise_count(many ^ value).min()) for value in few)


def _per_side(sides: Iterable[Side]) -> dict[Side, int]:
    counts = Counter(sides)
    return {side: counts[side] for side in SIDES}


def _leak(message: str) -> PermanentError:
    return PermanentError("dataset_leaks", message, hint="form the dataset again; this one is not used")
