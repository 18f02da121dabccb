"""What goes into a dataset, and the proof that it does not leak."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import PermanentError
from azaion_trainer.certificate import Certificate, certify, decode_certificate, verify
from azaion_trainer.classes import map_labels
from azaion_trainer.dataset import Formation, ReadyPicture
from azaion_trainer.manifest import Manifest, decode_manifest
from azaion_trainer.split import SIDES

pytestmark = pytest.mark.slow

Form = Callable[..., Formation]
Ready = Callable[..., ReadyPicture]


def test_only_train_pictures_bring_their_variants(form: Form) -> None:
    """Valid and test are measured on pictures as they were taken."""
    manifest = form().manifest

    assert {len(picture.files) for picture in manifest.side("train")} == {3}
    assert {len(picture.files) for side in SIDES[1:] for picture in manifest.side(side)} == {1}


def test_an_equal_stock_gives_an_equal_id_and_any_change_another(form: Form, ready: Ready) -> None:
    """The id is the SHA-256 of the manifest's bytes, which do not depend on the order of the pictures."""
    pictures = [ready(f"p{number:02}", number // 2) for number in range(20)]
    first = form(pictures=pictures).manifest

    assert form(pictures=pictures[::-1]).manifest.dataset_id == first.dataset_id
    assert form(pictures=pictures[:-1]).manifest.dataset_id != first.dataset_id


def test_a_manifest_survives_its_file(form: Form) -> None:
    """What is written is read back equal, with one line per picture."""
    manifest = form().manifest
    written = b"".join(manifest.encode())

    assert decode_manifest(written) == manifest
    assert len(written.splitlines()) == len(manifest.pictures) + 2
    with pytest.raises(PermanentError, match="not a dataset manifest") as caught:
        decode_manifest(written[:-20])
    assert caught.value.code == "manifest_malformed"


def test_sides_stay_when_the_data_grow(form: Form, ready: Ready) -> None:
    """A second dataset with the sides of the first gives each old picture its old side, and the same key."""
    first = form(20)
    grown = [ready(f"p{number:02}", number // 2) for number in range(20)] + [
        ready(f"q{n}", 50 + n) for n in range(9)
    ]
    second = form(pictures=grown, known=first.placed, policy=first.policy)

    sides = {picture.name: picture.side for picture in second.manifest.pictures}
    assert {picture.name: picture.side for picture in first.manifest.pictures}.items() <= sides.items()
    assert second.policy == first.policy


def test_pictures_that_are_not_augmented_are_left_out_by_name(form: Form) -> None:
    """They are in the manifest and the certificate with their reason."""
    manifest = form(not_augmented=["late"]).manifest

    assert [(each.name, each.reason) for each in certify(manifest).left_out] == [("late", "not_augmented")]


@pytest.mark.parametrize("scenes", [1, 2])
def test_too_few_scenes_cannot_be_split(form: Form, ready: Ready, scenes: int) -> None:
    """Many pictures of one or two scenes are refused with one clear line."""
    with pytest.raises(PermanentError, match=f"20 pictures show {scenes} different scene") as caught:
        form(pictures=[ready(f"p{number}", number % scenes) for number in range(20)])

    assert caught.value.code == "dataset_cannot_be_split"
    assert "by their looks alone (hash_distance 12) there are" in caught.value.message
    assert "add pictures of other places or times" in (caught.value.hint or "")


def test_a_fixed_camera_is_told_its_way_out(form: Form, ready: Ready) -> None:
    """Pictures that differ in few bits are one scene by the rules: how many there would be by narrower ones is said."""
    alike = [ready(f"p{number:02}", 0) for number in range(20)]
    pictures = [
        replace(each, picture=replace(each.picture, dhash=0b11111 << 5 * (number // 2)))
        for number, each in enumerate(alike)
    ]

    with pytest.raises(PermanentError) as caught:
        form(pictures=pictures)

    assert "20 pictures show 1 different scene (groups)" in caught.value.message
    assert "set trainer.hash_distance to 8: that makes 10 groups" in (caught.value.hint or "")


def test_a_side_that_lost_all_its_pictures_is_refused(form: Form, ready: Ready) -> None:
    """Sides are frozen, so a dataset without its test pictures cannot be formed."""
    first = form(20)
    rest = [
        ready(placed.picture.name, int(placed.picture.name[1:]) // 2)
        for placed in first.placed
        if placed.side != "test"
    ]

    with pytest.raises(PermanentError, match="falls to the test side"):
        form(pictures=rest, known=first.placed, policy=first.policy)


def test_base_classes_gather_all_conditions_and_slots_keep_them(form: Form) -> None:
    """The truck of winter is a truck in the base space, and a class of its own among the 80 slots."""
    base, slots = form().manifest, form(class_space="slots").manifest

    assert base.class_names == ("car", "truck")
    assert (base.class_of_slot[21], base.condition_of_slot[21]) == (1, "Wint")
    assert len(slots.class_names) == 80
    assert slots.class_of_slot[21] == 21
    assert slots.class_names[79] == Catalogue.default().slot_names()[79]


def test_a_class_that_train_never_shows_is_left_out_by_name(form: Form, ready: Ready) -> None:
    """A model cannot learn it; the manifest says that it is missing."""
    first = form(20)
    test_names = {placed.picture.name for placed in first.placed if placed.side == "test"}
    pictures = [
        ready(f"p{n:02}", n // 2, objects={0: 1, 12: 5} if f"p{n:02}" in test_names else {0: 1})
        for n in range(20)
    ]

    manifest = form(pictures=pictures, known=first.placed, policy=first.policy).manifest

    assert (manifest.class_names, manifest.classes_left_out) == (("car",), ("building",))


def test_a_train_side_without_objects_is_refused(form: Form, ready: Ready) -> None:
    """Nothing can be learnt from it."""
    with pytest.raises(PermanentError) as caught:
        form(pictures=[ready(f"p{number}", number, objects={}) for number in range(9)])

    assert caught.value.code == "dataset_has_no_objects"


def test_labels_are_mapped_and_objects_of_unused_classes_dropped() -> None:
    """Boxes keep their digits; only the class changes."""
    text = "21 0.2 0.2 0.1 0.1\n0 0.500000 0.5 0.4 0.4\n33 0.1 0.1 0.1 0.1\n"

    assert map_labels(text, {0: 0, 21: 1}) == "1 0.2 0.2 0.1 0.1\n0 0.500000 0.5 0.4 0.4\n"
    with pytest.raises(PermanentError, match="not a YOLO label text"):
        map_labels("car 1 2 3 4\n", {0: 0})


def test_the_certificate_of_a_sound_dataset_verifies(form: Form) -> None:
    """All seven checks examined something, and the closest pair across sides is beyond the threshold."""
    manifest = form().manifest
    certificate = certify(manifest)

    verify(manifest, certificate)

    assert all(check.examined for check in certificate.checks)
    assert len(certificate.checks) == 7
    assert certificate.closest_across_sides > manifest.hash_distance
    assert decode_certificate(certificate.model_dump_json().encode()) == certificate


def tampered(manifest: Manifest, change: Callable[[dict[str, Any]], None]) -> Manifest:
    plain = json.loads(b"".join(manifest.encode()))
    change(plain)
    return Manifest.model_validate(plain)


def side_index(plain: dict[str, Any], side: str) -> int:
    return next(n for n, picture in enumerate(plain["pictures"]) if picture["side"] == side)


def move_to_test(plain: dict[str, Any]) -> None:
    """A test picture's scene twin, whose side the key gives, is moved together with its group's name."""
    picture = plain["pictures"][side_index(plain, "train")]
    twin = plain["pictures"][side_index(plain, "test")]
    picture |= {"side": "test", "group": twin["group"], "files": picture["files"][:1]}


def change_side_only(plain: dict[str, Any]) -> None:
    picture = plain["pictures"][side_index(plain, "train")]
    picture |= {"side": "test", "files": picture["files"][:1]}


def copy_bytes(plain: dict[str, Any]) -> None:
    test, train = (plain["pictures"][side_index(plain, side)] for side in ("test", "train"))
    train["files"][1]["image"] = test["files"][0]["image"]


def plant_look_alike(plain: dict[str, Any]) -> None:
    test, train = (plain["pictures"][side_index(plain, side)] for side in ("test", "train"))
    train["dhash"] = f"{int(test['dhash'], 16) ^ 7:016x}"


def add_variant(plain: dict[str, Any]) -> None:
    test, train = (plain["pictures"][side_index(plain, side)] for side in ("test", "train"))
    test["files"].append(
        train["files"][1] | {"name": "extra", "image": train["files"][1]["image"] | {"sha256": "f" * 64}}
    )


def hide_file(plain: dict[str, Any]) -> None:
    files = plain["pictures"][side_index(plain, "train")]["files"]
    files[2]["name"] = files[1]["name"]


def empty_test(plain: dict[str, Any]) -> None:
    plain["pictures"] = [picture for picture in plain["pictures"] if picture["side"] != "test"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (move_to_test, "show the same scene"),
        (change_side_only, "where the key does not put its group"),
        (copy_bytes, "same image is on two sides"),
        (plant_look_alike, "show the same scene"),
        (add_variant, "has variants on the test side"),
        (hide_file, "is there 2 times"),
        (empty_test, "the test side is empty"),
    ],
)
def test_a_leaking_manifest_gets_no_certificate(
    form: Form, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    """Whatever is tampered with, the check that covers it names what it found."""
    manifest = tampered(form().manifest, change)

    with pytest.raises(PermanentError, match=message) as caught:
        certify(manifest)

    assert caught.value.code == "dataset_leaks"


def test_a_certificate_is_valid_for_one_manifest_only(form: Form) -> None:
    """That of another dataset, or one with a nicer figure, is refused."""
    manifest, other = form(20).manifest, form(22).manifest
    certificate = certify(manifest)

    with pytest.raises(PermanentError, match="it differs in dataset_id"):
        verify(other, certificate)
    with pytest.raises(PermanentError, match="it differs in closest_across_sides"):
        verify(manifest, Certificate(**dict(certificate) | {"closest_across_sides": 64}))
    with pytest.raises(PermanentError) as caught:
        decode_certificate(b"")
    assert caught.value.code == "dataset_leaks"


def test_near_duplicates_across_sides_are_found_without_groups(
    form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison pair by pair does not trust the grouping that made the sides."""
    manifest = tampered(form().manifest, plant_look_alike)
    monkeypatch.setattr(
        "azaion_trainer.certificate.find_groups", lambda pictures, rules: [[n] for n in range(len(pictures))]
    )

    with pytest.raises(PermanentError, match="differ in only 3 of 64 hash bits"):
        certify(manifest)
