"""Every importer reads back what is written in its format, and tells of each file that it could not use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from azaion_annotations.formats import FORMATS, SourceBox, SourceFolder, detect_format, read_folder
from azaion_common.core.errors import PermanentError

WIDTH, HEIGHT = 200, 100
Corners = tuple[str, float, float, float, float]
SCENES: dict[str, list[Corners]] = {
    "a_1": [("car", 10, 20, 60, 40), ("bus", 0, 0, 200, 100)],
    "a_2": [("bus", 150.5, 50.25, 199.5, 99.75)],
    "a_3": [],
}


def write_yolo(folder: Path) -> None:
    (folder / "labels").mkdir()
    (folder / "data.yaml").write_text("names: [car, bus]\nnc: 2\n")
    for name, boxes in SCENES.items():
        rows = [
            f"{['car', 'bus'].index(kind)} {(x1 + x2) / 2 / WIDTH!r} {(y1 + y2) / 2 / HEIGHT!r} "
            f"{(x2 - x1) / WIDTH!r} {(y2 - y1) / HEIGHT!r}"
            for kind, x1, y1, x2, y2 in boxes
        ]
        (folder / "labels" / f"{name}.txt").write_text("\n".join(rows))


def write_coco(folder: Path) -> None:
    images, annotations = [], []
    for number, (name, boxes) in enumerate(SCENES.items(), 7):
        images.append({"id": number, "file_name": f"{name}.jpg", "width": WIDTH, "height": HEIGHT})
        annotations += [
            {
                "image_id": number,
                "category_id": {"car": 3, "bus": 90}[kind],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
            }
            for kind, x1, y1, x2, y2 in boxes
        ]
    categories = [{"id": 90, "name": "bus"}, {"id": 3, "name": "car"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "_annotations.coco.json").write_text(json.dumps(content))


def write_voc(folder: Path) -> None:
    (folder / "Annotations").mkdir()
    for name, boxes in SCENES.items():
        objects = "".join(
            f"<object><name>{kind}</name><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin>"
            f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
            for kind, x1, y1, x2, y2 in boxes
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
        text = f"<annotation><filename>{name}.jpg</filename>{size}{objects}</annotation>"
        (folder / "Annotations" / f"{name}.xml").write_text(text)


def write_cvat(folder: Path) -> None:
    images = "".join(
        f'<image id="0" name="{name}.jpg" width="{WIDTH}" height="{HEIGHT}">'
        + "".join(
            f'<box label="{kind}" occluded="0" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"/>'
            for kind, x1, y1, x2, y2 in boxes
        )
        + "</image>"
        for name, boxes in SCENES.items()
    )
    labels = "<labels><label><name>car</name></label><label><name>bus</name></label></labels>"
    text = f"<annotations><meta><task>{labels}</task></meta>{images}</annotations>"
    (folder / "annotations.xml").write_text(text)


WRITERS: dict[str, Callable[[Path], None]] = {
    "yolo": write_yolo, "coco": write_coco, "voc": write_voc, "cvat": write_cvat,
}  # fmt: skip


@pytest.fixture(params=WRITERS)
def written(
    request: pytest.FixtureRequest, tmp_path: Path, picture: Callable[..., bytes]
) -> tuple[str, Path]:
    (tmp_path / "images").mkdir()
    for name in SCENES:
        (tmp_path / "images" / f"{name}.jpg").write_bytes(picture(WIDTH, HEIGHT))
    WRITERS[request.param](tmp_path)
    return request.param, tmp_path


def corners(box: SourceBox) -> Corners:
    x1, x2 = (box.cx - box.w / 2) * WIDTH, (box.cx + box.w / 2) * WIDTH
    y1, y2 = (box.cy - box.h / 2) * HEIGHT, (box.cy + box.h / 2) * HEIGHT
    return (box.class_name, *(round(value, 6) for value in (x1, y1, x2, y2)))  # type: ignore[return-value]


def boxes_by_name(source: SourceFolder) -> dict[str, list[Corners]]:
    return {picture.name: [corners(box) for box in picture.boxes] for picture in source.pictures}


def reasons(source: SourceFolder) -> set[tuple[str, str]]:
    return {(problem.path, problem.reason) for problem in source.problems}


def test_what_was_written_is_read(written: tuple[str, Path]) -> None:
    """Names and corners survive each format, and the format is told by its content."""
    format_name, folder = written

    source = read_folder(folder)

    assert (source.format, detect_format(folder)) == (format_name, format_name)
    assert boxes_by_name(source) == SCENES
    assert sorted(source.class_names) == ["bus", "car"]
    assert source.problems == ()


def test_labels_without_a_picture_are_told(written: tuple[str, Path]) -> None:
    """A picture that is missing is a problem, and the others are read."""
    _, folder = written
    (folder / "images" / "a_1.jpg").unlink()

    source = read_folder(folder)

    assert {reason for _, reason in reasons(source)} == {"picture_missing"}
    assert boxes_by_name(source) == {name: SCENES[name] for name in ("a_2", "a_3")}


def test_pictures_that_cannot_be_used_are_told(
    written: tuple[str, Path], picture: Callable[..., bytes]
) -> None:
    """Other formats, and pictures that no label speaks of, are listed with their reason."""
    _, folder = written
    (folder / "images" / "scan.tiff").write_bytes(b"II*")
    (folder / "docs").mkdir()
    (folder / "docs" / "figure.png").write_bytes(picture(kind="PNG"))

    assert reasons(read_folder(folder)) == {
        ("images/scan.tiff", "picture_format"), ("docs/figure.png", "no_labels"),
    }  # fmt: skip


@pytest.mark.parametrize("format_name", ["coco", "voc", "cvat", "yolo"])
def test_a_name_that_leads_outside_is_kept_as_a_name_and_never_opened(
    format_name: str, tmp_path: Path, picture: Callable[..., bytes]
) -> None:
    """A reference with ``../`` becomes a picture without a file, even where the file exists."""
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a_2.jpg").write_bytes(picture(WIDTH, HEIGHT))
    for place in (tmp_path, folder / "images"):  # the one inside is not the one that is meant
        (place / "a_1.jpg").write_bytes(picture(WIDTH, HEIGHT))
    WRITERS[format_name](folder)
    if format_name == "yolo":
        (folder / "train.txt").write_text("./images/a_2.jpg\n../../a_1.jpg\n")
    for label in [*folder.glob("*.json"), *folder.glob("*.xml"), *folder.glob("Annotations/*.xml")]:
        label.write_text(label.read_text().replace("a_1.jpg", "../../a_1.jpg"))

    (outside,) = (each for each in read_folder(folder).pictures if each.path is None)

    assert outside.name == "../../a_1.jpg"


@pytest.mark.parametrize("names", ["names: {0: car, 1: bus}\n", None])
def test_yolo_folders_come_in_many_layouts(
    names: str | None, tmp_path: Path, picture: Callable[..., bytes]
) -> None:
    """Labels beside the pictures, split folders, polygons, confidences, names in classes.txt."""
    (tmp_path / "train" / "images").mkdir(parents=True)
    (tmp_path / "train" / "labels").mkdir()
    (tmp_path / "flat").mkdir()
    (tmp_path / ("data.yaml" if names else "classes.txt")).write_text(names or "car\nbus\n")
    for place in ("train/images/x.jpg", "flat/y.JPG"):
        (tmp_path / place).write_bytes(picture())
    (tmp_path / "train/labels/x.txt").write_text("1 0.5 0.5 0.2 0.2 0.93\n")
    (tmp_path / "flat/y.txt").write_text("0 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5\n")

    source = read_folder(tmp_path)

    found = {each.name: each.boxes for each in source.pictures}
    assert found["x"] == (SourceBox("bus", 0.5, 0.5, 0.2, 0.2),)
    assert found["y"][0].xywh == pytest.approx((0.2, 0.3, 0.2, 0.4))
    assert source.problems == ()


def test_listed_pictures_that_are_missing_are_told(yolo_folder: Path) -> None:
    """What train.txt promises and the folder does not have is a problem."""
    (yolo_folder / "train.txt").write_text("./images/clip_000.jpg\n./images/gone.jpg\n")

    assert reasons(read_folder(yolo_folder)) == {("train.txt", "picture_missing")}


@pytest.mark.parametrize("text", ["0 0.5 0.5 half 0.5", "0 0.5", "car 0.5 0.5 0.5 0.5", "\x00\x01"])
def test_lines_that_are_no_labels_are_kept_as_they_stand(yolo_folder: Path, text: str) -> None:
    """Labels that cannot be parsed travel on to quarantine."""
    (yolo_folder / "labels" / "clip_000.txt").write_text(text)

    assert read_folder(yolo_folder).pictures[0].unreadable_labels == text


def test_entities_are_not_expanded(tmp_path: Path, picture: Callable[..., bytes]) -> None:
    """An XML file with a document type is no label file: it could grow without end or read other files."""
    (tmp_path / "a_1.jpg").write_bytes(picture())
    (tmp_path / "a_1.xml").write_text(
        '<!DOCTYPE a [<!ENTITY x "y">]><annotation><filename>&x;</filename></annotation>'
    )

    with pytest.raises(PermanentError, match="no_labels"):
        read_folder(tmp_path)


@pytest.mark.parametrize("format_name", ["auto", *FORMATS])
def test_folders_without_use_have_one_clear_error(
    format_name: str, tmp_path: Path, picture: Callable[..., bytes]
) -> None:
    """Missing, empty, without pictures, without labels: a code each, whatever format was asked for."""
    folder = tmp_path / "set"

    assert error_of(folder, format_name) == "folder_missing"
    folder.mkdir()
    assert error_of(folder, format_name) == "folder_empty"
    (folder / "classes.txt").write_text("car")
    assert error_of(folder, format_name) == "no_pictures"
    (folder / "a.jpg").write_bytes(picture())
    assert error_of(folder, format_name) == "no_labels"


def error_of(folder: Path, format_name: str) -> str:
    with pytest.raises(PermanentError) as caught:
        read_folder(folder, format_name)
    return caught.value.code


def test_labels_without_class_names_are_refused(yolo_folder: Path) -> None:
    """Numbers alone do not say what they mean, unless the caller's catalogue does."""
    (yolo_folder / "data.yaml").unlink()

    assert error_of(yolo_folder, "auto") == "no_class_names"
    assert read_folder(yolo_folder, default_names=("car", "bus")).pictures[1].boxes[0].class_name == "bus"


@pytest.mark.parametrize("text", ["names: {a: b}\n", "names: [\n"])
def test_a_broken_data_yaml_is_told(yolo_folder: Path, text: str) -> None:
    """It is not passed over for some other file."""
    (yolo_folder / "data.yaml").write_text(text)

    assert error_of(yolo_folder, "yolo") == "data_yaml_invalid"


def test_a_broken_coco_file_is_told(tmp_path: Path, picture: Callable[..., bytes]) -> None:
    """A COCO file without what the format asks for has its own error."""
    (tmp_path / "a_1.jpg").write_bytes(picture())
    (tmp_path / "a.json").write_text('{"images": [{"id": 1}], "annotations": [], "categories": []}')

    assert error_of(tmp_path, "auto") == "coco_invalid"
