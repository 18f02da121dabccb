"""Folders of strangers: only regular files inside them are opened, whatever they hold."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from azaion_annotations.formats import read_folder
from azaion_annotations.formats.regular_files import NotReadableError, read_regular
from azaion_annotations.publish import import_folder
from azaion_common.contracts.annotations.wire import STREAM, AnnotationMessage, decode_message
from azaion_common.core.errors import PermanentError
from azaion_common.platform.streams.sqlite import SqliteEventLog

MakePicture = Callable[..., bytes]


def reasons(folder: Path) -> dict[str, str]:
    return {problem.path: problem.reason for problem in read_folder(folder).problems}


async def test_a_link_out_of_the_folder_is_told_and_not_followed(yolo_folder: Path, tmp_path: Path) -> None:
    """Neither a picture nor a label file is read through a link that leads outside; what it leads to is not sent."""
    secret = tmp_path / "secret"
    secret.write_text("0 0.1 0.1 0.1 0.1\n")
    (yolo_folder / "images" / "stolen.jpg").symlink_to(secret)
    (yolo_folder / "labels" / "clip_003.txt").symlink_to(secret)
    (yolo_folder / "images" / "elsewhere").symlink_to(tmp_path)

    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        report = await import_folder(yolo_folder, log)
        bodies = [record.body for record in await log.read(STREAM)]

    told = {problem.path for problem in report.unused if problem.reason == "link_outside"}
    assert told == {"images/stolen.jpg", "labels/clip_003.txt", "images/elsewhere"}
    assert (report.pictures, report.boxes) == (4, 3)
    assert not any(secret.read_bytes() in body for body in bodies)


def test_what_is_no_file_is_never_opened(yolo_folder: Path) -> None:
    """A FIFO would wait for ever: as a picture, as labels and as a description it is told of."""
    for name in ("images/pipe.jpg", "labels/clip_003.txt", "classes.txt", "set.json", "set.xml", "more.yaml"):
        os.mkfifo(yolo_folder / name)

    found = reasons(yolo_folder)

    assert set(found.values()) == {"not_a_file"}
    assert len(found) == 6


async def test_a_picture_that_becomes_a_link_before_it_is_sent_is_not_followed(
    yolo_folder: Path, tmp_path: Path
) -> None:
    """Between check and sending, too, only a regular file is read."""
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    victim = yolo_folder / "images" / "clip_001.jpg"

    def swap(stage: str, _done: int, _total: int) -> None:
        if stage == "sending" and not victim.is_symlink():
            victim.unlink()
            victim.symlink_to(secret)

    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        with pytest.raises(PermanentError, match="folder_changed"):
            await import_folder(yolo_folder, log, on_progress=swap)


def test_folders_that_are_linked_inside_the_root_are_walked(tmp_path: Path, picture: MakePicture) -> None:
    """Pictures that labels find only by a link inside the folder are one picture each, with their labels."""
    (tmp_path / "images").mkdir()
    (tmp_path / "task" / "labels").mkdir(parents=True)
    (tmp_path / "task" / "images").symlink_to("../images")
    (tmp_path / "task" / "config.yaml").write_text("train: images\nnames: [car]\n")
    for index in range(3):
        (tmp_path / "images" / f"{index}.jpg").write_bytes(picture(shade=index))
        (tmp_path / "task" / "labels" / f"{index}.txt").write_text("0 0.5 0.5 0.2 0.2\n")

    source = read_folder(tmp_path)

    assert [(each.name, len(each.boxes)) for each in source.pictures] == [("0", 1), ("1", 1), ("2", 1)]
    assert source.problems == ()
    with pytest.raises(PermanentError) as caught:
        read_folder(tmp_path / "task")
    assert "images" in (caught.value.hint or "")


def test_links_that_lead_in_circles_end(yolo_folder: Path) -> None:
    """Folders that link to each other are walked a bounded number of times."""
    for index in range(8):
        (yolo_folder / f"d{index}").mkdir()
        for other in range(8):
            (yolo_folder / f"d{index}" / f"to{other}").symlink_to(f"../d{other}")
    (yolo_folder / "self").symlink_to(".")

    assert len(read_folder(yolo_folder).pictures) == 4


@pytest.mark.parametrize("name", ["data.yaml", "set.yaml"])
def test_a_description_that_unfolds_without_end_is_refused(yolo_folder: Path, name: str) -> None:
    """A few bytes of aliases would be more values than there is memory."""
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    (yolo_folder / name).write_text(f"a0: &a0 x\n{levels}names: *a29\n")

    with pytest.raises(PermanentError, match="more than 16 aliases"):
        read_folder(yolo_folder)


def test_names_of_classes_are_text(yolo_folder: Path) -> None:
    """YAML reads ``no`` as a truth value and ``3.10`` as a number; a class is called as it is written."""
    (yolo_folder / "data.yaml").write_text("names: [no, 3.10]\n")

    assert read_folder(yolo_folder).class_names == ("no", "3.10")


def test_class_names_that_are_no_text_are_refused(yolo_folder: Path) -> None:
    """Names with replacement characters could never be found again."""
    (yolo_folder / "data.yaml").unlink()
    (yolo_folder / "classes.txt").write_bytes(b"\xec\xe0\xf8\xe8\xed\xe0\n")  # cp1251

    with pytest.raises(PermanentError, match="class_names_not_utf8"):
        read_folder(yolo_folder)


async def test_file_names_that_are_no_text_are_imported(tmp_path: Path, picture: MakePicture) -> None:
    """A name of bytes that are no UTF-8, with a number at its end, gets a safe one; the import goes on."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "classes.txt").write_text("car\n")
    stem = os.fsencode(folder) + b"/caf\xe9_0012"
    Path(os.fsdecode(stem + b".jpg")).write_bytes(picture())
    Path(os.fsdecode(stem + b".txt")).write_text("0 0.5 0.5 0.2 0.2\n")
    Path(os.fsdecode(stem + b"_b.jpg")).write_bytes(b"broken")

    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        report = await import_folder(folder, log)
        (record, _) = await log.read(STREAM)

    message = decode_message(record.body, record.properties)
    assert isinstance(message, AnnotationMessage)
    assert message.name.startswith("caf__0012-")
    assert json.dumps([problem.path for problem in report.quarantined]) == r'["caf\\xe9_0012_b.jpg"]'


def test_accents_are_matched_in_either_form(tmp_path: Path, picture: MakePicture) -> None:
    """MacOS writes file names decomposed, other systems composed: a picture finds its labels all the same."""
    (tmp_path / "classes.txt").write_text("car\n")
    (tmp_path / "cafe\u0301.jpg").write_bytes(picture())
    (tmp_path / "caf\u00e9.txt").write_text("0 0.5 0.5 0.2 0.2\n")

    (found,) = read_folder(tmp_path).pictures

    assert len(found.boxes) == 1


def test_folders_with_capitals_are_mirrored(tmp_path: Path, picture: MakePicture) -> None:
    """``Images`` and ``Labels`` belong together as ``images`` and ``labels`` do."""
    for name in ("Images", "Labels"):
        (tmp_path / name).mkdir()
    (tmp_path / "classes.txt").write_text("car\n")
    (tmp_path / "Images" / "a.jpg").write_bytes(picture())
    (tmp_path / "Labels" / "a.txt").write_bytes("0 0.5 0.5 0.2 0.2\n".encode("utf-16"))

    (found,) = read_folder(tmp_path).pictures

    assert len(found.boxes) == 1


@pytest.mark.parametrize(("name", "hint"), [("set.zip", "unpack"), ("list.txt", "folder")])
def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path, name: str, hint: str) -> None:
    """The error says what to do with it."""
    zip_of_nothing = b"PK\x05\x06" + bytes(18)
    (tmp_path / name).write_bytes(zip_of_nothing if name.endswith(".zip") else b"text")

    with pytest.raises(PermanentError, match="folder_missing") as caught:
        read_folder(tmp_path / name)
    assert hint in (caught.value.hint or "")


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    """A folder cannot be read as a file: one error says so, and nothing stays open."""
    descriptors = Path("/proc/self/fd")
    opened = sum(1 for _ in descriptors.iterdir())

    with pytest.raises(NotReadableError, match="is no regular file"):
        read_regular(tmp_path, 100)

    assert sum(1 for _ in descriptors.iterdir()) == opened


@pytest.mark.parametrize("picture", ["clip_009.webp", "clip_009.TIF"])
def test_labels_of_a_picture_of_another_format_say_so(yolo_folder: Path, picture: str) -> None:
    """Its label file does not claim that a picture which lies there is not in the folder."""
    (yolo_folder / "images" / picture).write_bytes(b"picture")
    (yolo_folder / "labels" / "clip_009.txt").write_text("0 0.5 0.5 0.1 0.1\n")

    told = {problem.path: problem for problem in read_folder(yolo_folder).problems}

    problem = told["labels/clip_009.txt"]
    assert (problem.reason, problem.message) == (
        "picture_format",
        f"its picture 'images/{picture}' is neither a JPEG nor a PNG",
    )
