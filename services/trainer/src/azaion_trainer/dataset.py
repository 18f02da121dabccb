"""What goes into a dataset, and on which side: from the pictures that are ready to a manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import Variant
from azaion_common.core.errors import PermanentError
from azaion_trainer.classes import ClassSpace, dataset_classes
from azaion_trainer.grouping_advice import reasons, way_out
from azaion_trainer.groups import GroupingRules, Picture, find_groups
from azaion_trainer.manifest import DatasetClass, DatasetFile, DatasetPicture, LeftOut, Manifest
from azaion_trainer.split import (
    MIN_GROUPS,
    SIDES,
    GroupWeight,
    Placed,
    Placement,
    SplitPolicy,
    choose_key,
    place,
)


@dataclass(frozen=True, slots=True)
class ReadyPicture:
    """A validated picture whose current revision is augmented. ``objects`` counts its boxes by slot."""

    picture: Picture
    revision: int
    objects: Mapping[int, int]
    variants: tuple[Variant, ...]
    """The picture itself first, then its variants."""


@dataclass(frozen=True, slots=True)
class Formation:
    """A dataset as decided: its manifest, the policy that split it and the sides that its pictures have from now on."""

    manifest: Manifest
    policy: SplitPolicy
    placed: tuple[Placed, ...]


def form_dataset(
    ready: Sequence[ReadyPicture],
    *,
    not_augmented: Collection[str],
    known: Sequence[Placed],
    policy: SplitPolicy | None,
    rules: GroupingRules,
    catalogue: Catalogue,
    class_space: ClassSpace,
    stream_offsets: Mapping[str, int],
) -> Formation:
    """Decide a dataset. ``policy`` None chooses one for good, with ``rules``.

    Raises:
        PermanentError: ``dataset_cannot_be_split`` with too few scenes, ``dataset_has_no_objects``.
    """
    if policy is None:
        policy = _choose_policy(ready, rules)
    placement = place([each.picture for each in ready], known, policy)
    _require_sides(placement)
    by_name = {each.picture.name: each for each in ready}
    classes, unlearnable = _classes(placement, by_name, catalogue, class_space)
    left_out = [LeftOut(name=name, reason="bridge") for name in placement.bridges]
    left_out += [LeftOut(name=name, reason="not_augmented") for name in not_augmented]
    manifest = Manifest(
        split_key=policy.key.hex(),
        gap_s=policy.rules.gap_s,
        hash_distance=policy.rules.hash_distance,
        catalogue_sha256=catalogue.digest,
        classes=classes,
        stream_offsets=dict(sorted(stream_offsets.items())),
        left_out=tuple(sorted(left_out, key=lambda each: each.name)),
        classes_left_out=unlearnable,
        pictures=tuple(_entry(placed, by_name[placed.picture.name]) for placed in placement.placed),
    )
    return Formation(manifest, policy, placement.placed)


def _choose_policy(ready: Sequence[ReadyPicture], rules: GroupingRules) -> SplitPolicy:
    groups = find_groups([each.picture for each in ready], rules)
    if len(groups) < MIN_GROUPS:
        pictures = [each.picture for each in ready]
        raise PermanentError(
            "dataset_cannot_be_split",
            f"{len(ready)} pictures show {len(groups)} different scene{'' if len(groups) == 1 else 's'} (groups);"
            f" train, valid and test need at least {MIN_GROUPS}: {reasons(pictures, rules)}",
            hint=way_out(pictures, rules),
        )
    weights = [_weigh([ready[index] for index in members]) for members in groups]
    return SplitPolicy(choose_key(weights), rules)


def _weigh(members: Sequence[ReadyPicture]) -> GroupWeight:
    """By slot, so that a split is balanced in conditions as well as in classes."""
    objects: Counter[int] = Counter()
    for member in members:
        objects.update(member.objects)
    return GroupWeight(min(member.picture.name for member in members), len(members), objects)


def _require_sides(placement: Placement) -> None:
    filled = {placed.side for placed in placement.placed}
    if empty := [side for side in SIDES if side not in filled]:
        raise PermanentError(
            "dataset_cannot_be_split",
            f"no picture falls to the {' and '.join(empty)} side; sides are kept for good once given",
            hint="add pictures of scenes that are not in the data yet",
        )


def _classes(
    placement: Placement, ready: Mapping[str, ReadyPicture], catalogue: Catalogue, space: ClassSpace
) -> tuple[tuple[DatasetClass, ...], tuple[str, ...]]:
    """The classes of the dataset, and the names of those that occur but that no train picture shows."""
    slots = {slot for each in placement.placed for slot in ready[each.picture.name].objects}
    train = {each.picture.name for each in placement.placed if each.side == "train"}
    train_slots = {slot for name in train for slot in ready[name].objects}
    if not train_slots:
        raise PermanentError("dataset_has_no_objects", "no picture of the train side has a labelled object")
    classes = dataset_classes(catalogue, space, train_slots)
    known = {slot for each in classes for slot in each.slots.values()}
    missing = sorted({catalogue.decode(slot)[0] for slot in slots - known})
    return classes, tuple(catalogue.entry(class_id).name for class_id in missing)


def _entry(placed: Placed, ready: ReadyPicture) -> DatasetPicture:
    picture = placed.picture
    return DatasetPicture(
        name=picture.name,
        revision=ready.revision,
        side=placed.side,
        group=placed.group,
        sha256=picture.sha256,
        dhash=f"{picture.dhash:016x}",
        media_name=picture.media_name,
        media_time_s=picture.media_time_s,
        files=_files(picture.name, ready.variants if placed.side == "train" else ready.variants[:1]),
    )


def _files(name: str, variants: Sequence[Variant]) -> tuple[DatasetFile, ...]:
    # "+" cannot be in a picture's name, so variant 1 of "road" never hides a picture named "road_1".
    names = [name, *(f"{name}+{number}" for number in range(1, len(variants)))]
    return tuple(
        DatasetFile(name=each, image=variant.image, labels=variant.labels)
        for each, variant in zip(names, variants, strict=True)
    )
