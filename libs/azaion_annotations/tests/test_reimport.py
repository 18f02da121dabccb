"""Imports into a store that is not empty: pictures keep their names, and the store says what the folder says."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from azaion_annotations.correcting import Corrector
from azaion_annotations.publish import ImportReport, ImportRules, import_folder
from azaion_annotations.reading_stored import applied_offsets, read_stored
from azaion_annotations.stored import StoredPictures
from azaion_common.contracts.annotations.profiles import Action
from azaion_common.contracts.annotations.wire import STREAM, BulkMessage
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import ledger_path
from azaion_common.platform.streams.partitions import Partitioning
from azaion_common.platform.streams.sqlite import SqliteEventLog

MakePicture = Callable[..., bytes]
CATALOGUE = Catalogue.from_names(["car", "bus"])
LINES = {"a": "0 0.2 0.3 0.2 0.4\n", "b": "0 0.45 0.3 0.2 0.4\n"}


def write_task(folder: Path, pictures: Mapping[str, bytes], line: str = LINES["a"]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "obj.names").write_text("car\nbus\n")
    for stem, image in pictures.items():
        (folder / f"{stem}.png").write_bytes(image)
        (folder / f"{stem}.txt").write_text(line)
    return folder


def counts(report: ImportReport) -> tuple[int, int, int]:
    return report.new, report.changed, report.unchanged


async def contents(log: SqliteEventLog) -> dict[str, tuple[str, float]]:
    """Name to digest and place of the only box, as the ingestor will have them."""
    stored = await read_stored(log, CATALOGUE)
    return {each.name: (each.sha256, each.boxes[0].cx) for each in stored.current()}


@pytest.fixture
def images(picture: MakePicture) -> list[bytes]:
    return [picture(kind="PNG", shade=shade) for shade in range(6)]


@pytest.mark.parametrize("together", [False, True])
async def test_pictures_of_two_sources_with_equal_names_are_all_kept(
    tmp_path: Path, images: list[bytes], *, together: bool
) -> None:
    """Every video's frames are called ``frame_000000``: six pictures are six, one after the other or in one folder."""
    first = write_task(
        tmp_path / "set" / "one", {f"frame_{n:06}": image for n, image in enumerate(images[:3])}
    )
    second = write_task(
        tmp_path / "set" / "two", {f"frame_{n:06}": image for n, image in enumerate(images[3:])}, LINES["b"]
    )
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        if not together:
            await import_folder(first, log, CATALOGUE)
        report = await import_folder(tmp_path / "set" if together else second, log, CATALOGUE)
        found = await contents(log)
        again = await import_folder(second, log, CATALOGUE)

    assert {sha256 for sha256, _ in found.values()} == {hashlib.sha256(image).hexdigest() for image in images}
    assert sorted(cx for _, cx in found.values()) == [0.2] * 3 + [0.45] * 3
    assert [remark.reason for remark in report.remarks] == ["name_taken"] * 3
    assert counts(again) == (0, 0, 3)


async def test_a_name_does_not_depend_on_the_neighbours(tmp_path: Path, images: list[bytes]) -> None:
    """A part of a folder is imported, then the whole: no picture is there twice."""
    part = write_task(tmp_path / "set" / "one", {"frame_0": images[0]})
    write_task(tmp_path / "set" / "two", {"frame_0": images[1]})
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        await import_folder(part, log, CATALOGUE)
        whole = await import_folder(tmp_path / "set", log, CATALOGUE)

    assert counts(whole) == (1, 0, 1)


async def test_names_of_version_0_1_are_found_again(tmp_path: Path, images: list[bytes]) -> None:
    """It called the second ``frame_0`` of a folder by its folders: its bytes say that it is known."""
    write_task(tmp_path / "set", {"one-frame_0": images[0], "two-frame_0": images[1]})
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        await import_folder(tmp_path / "set", log, CATALOGUE)
        shutil.rmtree(tmp_path / "set")
        write_task(tmp_path / "set" / "one", {"frame_0": images[0]})
        write_task(tmp_path / "set" / "two", {"frame_0": images[1]})
        again = await import_folder(tmp_path / "set", log, CATALOGUE)

    assert counts(again) == (0, 0, 2)


async def test_two_copies_of_a_picture_are_one(tmp_path: Path, images: list[bytes]) -> None:
    """The same file in two folders is one picture; labels that contradict are told and do not overwrite."""
    write_task(tmp_path / "set" / "one", {"x": images[0], "y": images[1]})
    write_task(tmp_path / "set" / "two", {"x": images[0], "y": images[1]})
    (tmp_path / "set" / "two" / "y.txt").write_text(LINES["b"])
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        report = await import_folder(tmp_path / "set", log, CATALOGUE)
        found = await contents(log)

    reasons = {problem.path: problem.reason for problem in report.unused}
    assert reasons == {"two/x.png": "same_picture", "two/y.png": "labels_disagree"}
    assert {name: cx for name, (_, cx) in found.items()} == {"x": 0.2, "y": 0.2}


async def test_the_store_says_what_the_folder_says(tmp_path: Path, images: list[bytes]) -> None:
    """Labels changed, imported, put back, imported, again and again: each import ends with the folder's labels."""
    folder = write_task(tmp_path / "set", {"x": images[0], "y": images[1]})
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        await import_folder(folder, log, CATALOGUE)
        for line, place in ((LINES["b"], 0.45), (LINES["a"], 0.2), (LINES["b"], 0.45), (LINES["a"], 0.2)):
            (folder / "x.txt").write_text(line)
            report = await import_folder(folder, log, CATALOGUE)
            assert (counts(report), report.changed_names) == ((0, 1, 1), ("x",))
            assert (await contents(log))["x"][1] == place
        bodies = [(record.body, tuple(record.properties.items())) for record in await log.read(STREAM)]

    assert len(set(bodies)) == len(bodies)  # or the ingestor would take one for a repetition


async def test_what_was_refused_is_not_sent_again(tmp_path: Path, images: list[bytes]) -> None:
    """A picture that the ingestor will refuse is told each time and sent once; mended, it is new."""
    folder = write_task(tmp_path / "set", {"x": images[0], "y": images[1]})
    (folder / "y.txt").write_text("7 0.5 0.5 0.1 0.1\n")
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        first = await import_folder(folder, log, CATALOGUE)
        again = await import_folder(folder, log, CATALOGUE)
        (folder / "y.txt").write_text(LINES["a"])
        mended = await import_folder(folder, log, CATALOGUE)

    assert [len(each.quarantined) for each in (first, again, mended)] == [1, 1, 0]
    assert [each.appended for each in (first, again, mended)] == [2, 0, 1]


async def test_deleted_pictures_stay_deleted(tmp_path: Path, images: list[bytes]) -> None:
    """The folder still has them; they come back when that is asked for."""
    folder = write_task(tmp_path / "set", {"x": images[0], "y": images[1]})
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        await import_folder(folder, log, CATALOGUE)
        stored = await read_stored(log, CATALOGUE)
        await Corrector(stored, Partitioning(), "2024").decide(["x"], Action.DELETED).send(log)
        without = await import_folder(folder, log, CATALOGUE)
        back = await import_folder(folder, log, CATALOGUE, rules=ImportRules(restore=True))

    assert (without.appended, without.deleted) == (0, 1)
    assert counts(back) == (0, 1, 1)


async def test_only_new_leaves_what_is_known_alone(tmp_path: Path, images: list[bytes]) -> None:
    """Corrections in the store outlive a folder that does not have them."""
    folder = write_task(tmp_path / "set", {"x": images[0]})
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        await import_folder(folder, log, CATALOGUE)
        write_task(folder, {"y": images[1]})
        (folder / "x.txt").write_text(LINES["b"])
        report = await import_folder(folder, log, CATALOGUE, rules=ImportRules(only_new=True))
        found = await contents(log)

    assert (report.new, report.changed, report.kept) == (1, 0, 1)
    assert found["x"][1] == 0.2


async def test_other_bytes_replace_a_picture_when_asked_to(tmp_path: Path, images: list[bytes]) -> None:
    """A picture that was sharpened under its name is the same one, for who says so."""
    folder = write_task(tmp_path / "set", {"x": images[0]})
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        await import_folder(folder, log, CATALOGUE)
        write_task(folder, {"x": images[1]})
        report = await import_folder(folder, log, CATALOGUE, rules=ImportRules(replace=True))
        found = await contents(log)

    assert counts(report) == (0, 1, 0)
    assert found["x"][0] == hashlib.sha256(images[1]).hexdigest()


async def test_what_an_import_decides_by_itself_is_counted(yolo_folder: Path, tmp_path: Path) -> None:
    """Background without a label file, and a split of the folder's own that is not used."""
    for side, names in (("train", ("clip_000", "clip_001", "clip_003")), ("val", ("clip_002",))):
        for part, suffix in (("images", "jpg"), ("labels", "txt")):
            (yolo_folder / part / side).mkdir()
            for name in names:
                path = yolo_folder / part / f"{name}.{suffix}"
                if path.exists():
                    path.rename(yolo_folder / part / side / path.name)
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        report = await import_folder(yolo_folder, log)

    assert report.background_without_labels == 1
    assert report.own_split == {"train": 3, "valid": 1}


async def test_a_class_that_comes_later_is_found_by_its_name(tmp_path: Path, images: list[bytes]) -> None:
    """A message that was refused for its class is right as it is once the catalogue has it, condition and all."""
    folder = write_task(tmp_path / "set", {"x": images[0], "y": images[1]})
    (folder / "y.txt").write_text(LINES["a"].replace("0", "1", 1))
    small, large = Catalogue.from_names(["car"]), Catalogue.from_names(["car"]).with_classes(["bus"])
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        report = await import_folder(folder, log, small, rules=ImportRules(condition="Night"))
        before, after = await read_stored(log, small), await read_stored(log, large)

    assert (report.unknown_classes, before.refused) == ({"bus": 1}, {"y": "unknown_class"})
    (box,) = after.pictures["y"].boxes
    assert (large.entry(box.class_id).name, box.condition) == ("bus", "Night")


async def test_an_unknown_class_keeps_the_condition_that_it_names(
    tmp_path: Path, images: list[bytes]
) -> None:
    """``bus (Wint)`` in an import of Night is refused and told, and a bus in Wint once the catalogue has that class."""
    folder = write_task(tmp_path / "set", {"x": images[0], "y": images[1]})
    (folder / "classes.txt").write_text("car\nbus (Wint)\n")
    (folder / "y.txt").write_text(LINES["a"].replace("0", "1", 1))
    small, large = Catalogue.from_names(["car"]), Catalogue.from_names(["car", "bus"])
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        report = await import_folder(folder, log, small, rules=ImportRules(condition="Night"))
        before, after = await read_stored(log, small), await read_stored(log, large)

    assert (report.unknown_classes, before.refused) == ({"bus (Wint)": 1}, {"y": "unknown_class"})
    assert [(box.class_id, box.condition) for box in after.pictures["y"].boxes] == [(1, "Wint")]


async def test_a_known_class_in_an_unknown_condition_is_refused(tmp_path: Path, images: list[bytes]) -> None:
    """``car (Fog)`` is no car in some other condition: its picture is quarantined, and that is told beforehand."""
    folder = write_task(tmp_path / "set", {"x": images[0], "y": images[1]})
    (folder / "classes.txt").write_text("car\ncar (Fog)\n")
    (folder / "y.txt").write_text(LINES["a"].replace("0", "1", 1))
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        report = await import_folder(folder, log, CATALOGUE)
        stored = await read_stored(log, CATALOGUE)

    assert [(each.path, each.reason) for each in report.quarantined] == [("y.png", "unknown_class")]
    assert (list(stored.pictures), report.unknown_classes) == (["x"], {"car (Fog)": 1})


def test_bulk_messages_are_folded_as_the_ingestor_applies_them() -> None:
    """What nobody knows stays unknown."""
    stored = StoredPictures(CATALOGUE)
    stored.expect(BulkMessage(action=Action.DELETED, names=("nobody",)))

    assert (stored.pictures, stored.pending) == ({}, 1)


async def test_a_ledger_that_is_only_being_made_is_no_obstacle(tmp_path: Path) -> None:
    """An import while ``azaion up`` starts reads everything instead."""
    ledger = ledger_path(tmp_path, "ingestor")
    ledger.parent.mkdir()
    ledger.touch()

    assert await applied_offsets(tmp_path, PlatformSettings()) == {}
