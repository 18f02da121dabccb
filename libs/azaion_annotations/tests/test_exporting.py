"""``azaion data export``: what the store holds, in a form that an import reads back number for number."""

from __future__ import annotations

import io
import json
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from azaion_annotations.commands.data import line_of
from azaion_annotations.exporting import Exporter, ExportReport, copy_dataset
from azaion_annotations.labels import parse_detections
from azaion_annotations.publish import prepare_import
from azaion_annotations.stored import StoredPictures
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import Box, ImageDeleted, ImageSaved, ImageValidated
from azaion_common.core.errors import PermanentError
from azaion_common.platform.storage.files import FileBlobStore

CATALOGUE = Catalogue.from_names(["car", "bus"])
BOXES = {
    "clip_1": (
        Box(class_id=0, condition="Wint", cx=1 / 3, cy=0.1 + 0.2, w=0.1234567890123, h=1 / 7),
        Box(class_id=1, cx=0.5, cy=0.5, w=1.0, h=1.0),
    ),
    "clip_2": (),
    "seed": (Box(class_id=0, cx=0.5, cy=0.5, w=0.1, h=0.1),),
}


def a_picture(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (200, 100), (20 * shade, 100, 100)).save(out, "JPEG")
    return out.getvalue()


async def fill(blobs: FileBlobStore) -> StoredPictures:
    """Two validated pictures, a seed, and one that was deleted."""
    stored = StoredPictures(CATALOGUE)
    for shade, name in enumerate((*BOXES, "gone")):
        image = await blobs.put(a_picture(shade), "image/jpeg")
        event = ImageSaved(
            name=name,
            revision=1,
            image=image,
            width=200,
            height=100,
            boxes=BOXES.get(name, ()),
            validated=False,
            media_name="street 7",
            media_time_s=float(shade),
            dhash="0" * 16,
            created_at=datetime(2024, 5, 1, tzinfo=UTC),
        )
        stored.apply(event)
        if name != "seed":
            stored.apply(ImageValidated(name=name, revision=1))
    stored.apply(ImageDeleted(name="gone"))
    return stored


async def export(folder: Path, root: Path, format_name: str, *, link: bool = False) -> ExportReport:
    blobs = FileBlobStore.open(root / "blobs")
    stored = await fill(blobs)
    exporter = Exporter(blobs, CATALOGUE, link, lambda _done, _total: None)
    pictures = [each for each in stored.current() if each.validated]
    return await exporter.export(pictures, folder, format_name)


@pytest.mark.parametrize("format_name", ["yolo", "coco"])
async def test_an_export_is_read_back_as_it_was(tmp_path: Path, format_name: str) -> None:
    """Names, bytes, classes with their conditions, boxes, recordings and dates survive the way out and in again."""
    report = await export(tmp_path / "out", tmp_path, format_name)

    catalogue = Catalogue.load(tmp_path / "out" / "catalogue.yaml")
    prepared = prepare_import(tmp_path / "out", catalogue)

    assert (report.pictures, report.boxes) == (2, 2)
    assert report.boxes_per_class == {"car (Wint)": 1, "bus": 1}
    assert (prepared.format, prepared.plan.unused, catalogue.digest) == (format_name, (), CATALOGUE.digest)
    messages = {message.name: message for message in prepared.plan.messages}
    assert messages.keys() == {"clip_1", "clip_2"}
    boxes = parse_detections(messages["clip_1"].detections, CATALOGUE)
    for box, expected in zip(boxes, BOXES["clip_1"], strict=True):
        assert (box.class_id, box.condition) == (expected.class_id, expected.condition)
        numbers = (box.cx, box.cy, box.w, box.h)
        exact = (expected.cx, expected.cy, expected.w, expected.h)
        assert numbers == (exact if format_name == "yolo" else pytest.approx(exact, abs=1e-12))
    origin = messages["clip_2"].origin
    assert (origin.media_name, origin.media_time_s) == ("street 7", 1.0)
    assert origin.captured_at == datetime(2024, 5, 1, tzinfo=UTC)


async def test_images_are_copies_or_links(tmp_path: Path) -> None:
    """A copy may be written to; a link takes no space."""
    await export(tmp_path / "copied", tmp_path, "yolo")
    await export(tmp_path / "linked", tmp_path, "yolo", link=True)

    copied, linked = (tmp_path / place / "images" / "clip_1.jpg" for place in ("copied", "linked"))
    assert copied.read_bytes() == linked.read_bytes()
    assert (copied.stat().st_nlink, linked.stat().st_nlink) == (1, 2)


async def test_an_export_is_whole_or_absent(tmp_path: Path) -> None:
    """A folder in use is left alone, and a picture that is lost leaves nothing half done."""
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").touch()
    blobs = FileBlobStore.open(tmp_path / "blobs")
    stored = await fill(blobs)
    exporter = Exporter(blobs, CATALOGUE, link=False, on_progress=lambda _done, _total: None)
    pictures = list(stored.current())

    with pytest.raises(PermanentError, match="folder_exists"):
        await exporter.export(pictures, tmp_path / "used", "yolo")
    with pytest.raises(PermanentError, match="nothing_to_export"):
        await exporter.export([], tmp_path / "new", "yolo")
    with pytest.raises(PermanentError, match="format_unknown"):
        await exporter.export(pictures, tmp_path / "new", "voc")
    await blobs.delete(pictures[1].sha256)
    with pytest.raises(PermanentError, match="blob_missing"):
        await exporter.export(pictures, tmp_path / "new", "yolo")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "used"]


async def test_coco_states_the_size_that_is_seen(tmp_path: Path) -> None:
    """Boxes are pixels of the picture as viewers show it."""
    await export(tmp_path / "out", tmp_path, "coco")

    content = json.loads((tmp_path / "out" / "annotations" / "instances.json").read_text())

    assert {(each["width"], each["height"]) for each in content["images"]} == {(200, 100)}
    assert content["annotations"][1]["bbox"] == [0, 0, 200, 100]
    assert [each["name"] for each in content["categories"]] == ["car", "bus", "car (Wint)"]


@pytest.mark.parametrize("link", [False, True])
async def test_a_dataset_is_taken_along_with_its_split(tmp_path: Path, *, link: bool) -> None:
    """Its folder is what any YOLO tool reads: images, labels, sides, certificate."""
    source = tmp_path / "datasets" / "abc"
    for part in ("images/train", "labels/train"):
        (source / part).mkdir(parents=True)
    (source / "images" / "train" / "a.jpg").write_bytes(b"a")
    (source / "labels" / "train" / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (source / "data.yaml").write_text("train: images/train\n")

    assert await copy_dataset(source, tmp_path / "out", link=link) == 1
    assert (tmp_path / "out" / "labels" / "train" / "a.txt").read_text() == "0 0.5 0.5 0.1 0.1\n"
    assert ((tmp_path / "out" / "images" / "train" / "a.jpg").stat().st_nlink == 2) == link


def test_the_command_that_is_told_can_be_copied() -> None:
    """A folder with a blank in its name stays one word of the import that the export names."""
    told = line_of(ExportReport("/data/my set", "yolo", 1, 1, {}, 0))

    command = shlex.split(told.splitlines()[-1].partition(": ")[2])

    assert command == [
        "azaion", "annotations", "import", "/data/my set", "--catalogue", "/data/my set/catalogue.yaml",
    ]  # fmt: skip
