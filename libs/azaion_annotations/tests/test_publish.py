"""Imports: everything is sent once, and what will be refused is known beforehand."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from azaion_annotations.labels import parse_detections
from azaion_annotations.publish import ImportRules, import_folder
from azaion_common.contracts.annotations.wire import STREAM, AnnotationMessage, decode_message
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.streams import Message
from azaion_common.platform.streams.sqlite import SqliteEventLog

CATALOGUE = Catalogue.from_names(["truck", "Bus", "car"])


async def sent(log: SqliteEventLog) -> list[AnnotationMessage]:
    records = await log.read(STREAM, limit=1000)
    messages = [decode_message(record.body, record.properties) for record in records]
    return [message for message in messages if isinstance(message, AnnotationMessage)]


class CutLog:
    """A log whose connection breaks after one batch."""

    def __init__(self, log: SqliteEventLog) -> None:
        self.log = log
        self.last_seq, self.read = log.last_seq, log.read

    async def append(self, stream: str, messages: Sequence[Message], *, producer: str | None = None) -> None:
        await self.log.append(stream, messages[:2], producer=producer)
        raise TransientError("log_unavailable", "cut")


async def test_each_picture_becomes_one_message(yolo_folder: Path, tmp_path: Path) -> None:
    """Bytes, boxes, recording and role are those of the folder, a file number is no time; classes are mapped by name."""
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        report = await import_folder(yolo_folder, log, CATALOGUE, rules=ImportRules(condition="Night"))
        messages = await sent(log)

    assert [message.name for message in messages] == ["clip_000", "clip_001", "clip_002", "clip_003"]
    second = messages[1]
    assert second.image == (yolo_folder / "images" / "clip_001.jpg").read_bytes()
    assert (second.media_name, second.media_time_ticks, second.by_validator) == ("clip", None, True)
    (box,) = parse_detections(second.detections, CATALOGUE)
    assert (box.class_id, box.condition, box.cx, box.h) == (1, "Night", 0.5, 0.5)
    assert (report.pictures, report.boxes, report.boxes_per_class) == (4, 3, {"car": 2, "bus": 1})
    assert parse_detections(messages[3].detections, CATALOGUE) == ()


async def test_importing_again_adds_nothing(yolo_folder: Path, tmp_path: Path) -> None:
    """The same folder, also as a copy with other dates, is known; of an edited one only what is new is sent."""
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        first = await import_folder(yolo_folder, log)
        for path in (yolo_folder / "images").iterdir():
            os.utime(path, (1, 1))
        again = await import_folder(yolo_folder, log)
        assert (first.appended, again.appended, again.already_there) == (4, 0, 4)
        assert await log.count(STREAM) == 4

        (yolo_folder / "labels" / "clip_000.txt").write_text("0 0.5 0.5 0.3 0.3\n")
        edited = await import_folder(yolo_folder, log)
        assert (edited.new, edited.changed, edited.unchanged) == (0, 1, 3)
        assert edited.changed_names == ("clip_000",)


async def test_an_interrupted_import_goes_on(yolo_folder: Path, tmp_path: Path) -> None:
    """After a cut in mid-batch the same import sends the rest, and nothing twice."""
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        with pytest.raises(TransientError):
            await import_folder(yolo_folder, CutLog(log))  # type: ignore[arg-type]
        report = await import_folder(yolo_folder, log)

        assert (report.already_there, report.appended) == (2, 2)
        assert [message.name for message in await sent(log)] == [f"clip_{index:03}" for index in range(4)]


async def test_bad_files_are_sent_and_told(
    yolo_folder: Path, tmp_path: Path, picture: Callable[..., bytes]
) -> None:
    """Whatever the ingestor will refuse is sent all the same, and listed with the reason it will have."""
    images, labels = yolo_folder / "images", yolo_folder / "labels"
    bad = {
        "empty": (b"", "0 0.5 0.5 0.1 0.1", "picture_empty"),
        "text": (b"hello", "0 0.5 0.5 0.1 0.1", "picture_unreadable"),
        "half": (picture(400, 400)[:2000], "0 0.5 0.5 0.1 0.1", "picture_truncated"),
        "range": (picture(), "0 0.5 0.5 0.1 3", "labels_out_of_range"),
        "nan": (picture(), "0 0.5 0.5 nan 0.1", "labels_not_finite"),
        "class": (picture(), "7 0.5 0.5 0.1 0.1", "unknown_class"),
        "words": (picture(), "zero one two", "labels_malformed"),
    }
    for name, (image, label, _) in bad.items():
        (images / f"{name}.jpg").write_bytes(image)
        (labels / f"{name}.txt").write_text(label)
    (yolo_folder / "train.txt").write_text("../../etc/secret.jpg\n")

    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        report = await import_folder(yolo_folder, log)
        names = {message.name for message in await sent(log)}

    expected = {(f"images/{name}.jpg", reason) for name, (_, _, reason) in bad.items()}
    expected.add(("../../etc/secret.jpg", "unsafe_name"))
    assert {(problem.path, problem.reason) for problem in report.quarantined} == expected
    assert names >= {*bad, "../../etc/secret.jpg"}
    assert report.pictures == 12


async def test_pictures_of_one_name_are_told_apart(
    yolo_folder: Path, tmp_path: Path, picture: Callable[..., bytes]
) -> None:
    """Two pictures with one stem are two pictures; a stem that is no safe name gets one."""
    (yolo_folder / "images" / "night").mkdir()
    for name in ("night/clip_000", "my roof (1)"):
        (yolo_folder / "images" / f"{name}.jpg").write_bytes(picture(shade=9))
    (yolo_folder / "labels" / "night").mkdir()
    (yolo_folder / "labels" / "night" / "clip_000.txt").write_text("0 0.5 0.5 0.1 0.1")

    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        report = await import_folder(yolo_folder, log)
        names = {message.name for message in await sent(log)}

    night = hashlib.sha256(picture(shade=9)).hexdigest()[:8]
    assert {"clip_000", f"clip_000-{night}", "clip_001"} <= names
    assert any(name.startswith("my_roof_1") for name in names)
    assert (len(names), report.quarantined) == (6, ())


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"catalogue": Catalogue.from_names(["cat"])}, "unknown_class"),
        ({"rules": ImportRules(role="guest")}, "unknown_role"),
        ({"rules": ImportRules(condition="Fog")}, "unknown_condition"),
        ({"rules": ImportRules(format_name="csv")}, "format_unknown"),
        ({"rules": ImportRules(format_name="coco")}, "no_labels"),
    ],
)
async def test_a_useless_import_sends_nothing(
    options: dict[str, object], code: str, yolo_folder: Path, tmp_path: Path
) -> None:
    """What cannot end with a box that is used is one clear error, before anything is sent."""
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        with pytest.raises(PermanentError) as caught:
            await import_folder(yolo_folder, log, **options)  # type: ignore[arg-type]

        assert caught.value.code == code
        assert await log.count(STREAM) == 0


async def test_a_folder_of_broken_pictures_sends_nothing(yolo_folder: Path, tmp_path: Path) -> None:
    """Labels alone make no data set."""
    for path in (yolo_folder / "images").iterdir():
        path.write_bytes(b"")

    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        with pytest.raises(PermanentError, match="nothing_usable"):
            await import_folder(yolo_folder, log)


async def test_progress_is_told_to_the_end(yolo_folder: Path, tmp_path: Path) -> None:
    """Both stages count up to all pictures."""
    told: list[tuple[str, int, int]] = []
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        await import_folder(yolo_folder, log, on_progress=lambda *now: told.append(now))

    assert ("checking", 4, 4) in told
    assert told[-1] == ("sending", 4, 4)
