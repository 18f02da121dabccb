"""The size that labels state is compared with the picture's: boxes lie on their objects or nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from azaion_annotations.formats.source import SourceBox
from azaion_annotations.intake_settings import IntakeSettings
from azaion_annotations.labels import parse_detections
from azaion_annotations.publish import ImportRules, PreparedImport, prepare_import
from azaion_annotations.upright import Frame, SizeDiffersError, fit_to_picture
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import PermanentError

MakePicture = Callable[..., bytes]
CATALOGUE = Catalogue.from_names(["car"])
ORIENTATION = 0x0112


def turned(picture: MakePicture, orientation: int, size: tuple[int, int] = (400, 300)) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return picture(*size, exif=exif)


def voc(size: tuple[int, int] | None) -> str:
    """One box at 40..120, 170..270 of a frame that is ``size``."""
    box = "<bndbox><xmin>41</xmin><ymin>171</ymin><xmax>120</xmax><ymax>270</ymax></bndbox>"
    stated = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    item = f"<object><name>car</name>{box}</object>"
    return f"<annotation><filename>a.jpg</filename>{stated}{item}</annotation>"


def prepared(folder: Path, image: bytes, label: str) -> PreparedImport:
    (folder / "a.jpg").write_bytes(image)
    (folder / "a.xml").write_text(label)
    return prepare_import(folder, CATALOGUE)


def the_box(found: PreparedImport) -> tuple[float, ...]:
    (message,) = found.plan.messages
    (box,) = parse_detections(message.detections, CATALOGUE)
    return box.cx, box.cy, box.w, box.h


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (6, (1 - 220 / 300, 80 / 400, 100 / 300, 80 / 400)),
        (8, (220 / 300, 1 - 80 / 400, 100 / 300, 80 / 400)),
        (5, (220 / 300, 80 / 400, 100 / 300, 80 / 400)),
        (7, (1 - 220 / 300, 1 - 80 / 400, 100 / 300, 80 / 400)),
    ],
)
def test_boxes_in_the_raw_frame_are_turned_with_the_picture(
    tmp_path: Path, picture: MakePicture, orientation: int, expected: tuple[float, ...]
) -> None:
    """Labels for 400 x 300 of a picture that EXIF shows as 300 x 400 were drawn in the raw frame."""
    found = prepared(tmp_path, turned(picture, orientation), voc((400, 300)))

    assert the_box(found) == pytest.approx(expected)


def test_turning_moves_a_box_with_its_pixels(picture: MakePicture, tmp_path: Path) -> None:
    """What is drawn in the box of the raw frame is in the box of the upright picture, for each orientation."""
    for orientation in range(2, 9):
        image = Image.new("RGB", (40, 30))
        image.paste((255, 0, 0), (4, 12, 12, 27))
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        image.save(tmp_path / "a.png", exif=exif)
        with Image.open(tmp_path / "a.png") as opened:
            upright = opened.transpose(
                {
                    2: Image.Transpose.FLIP_LEFT_RIGHT,
                    3: Image.Transpose.ROTATE_180,
                    4: Image.Transpose.FLIP_TOP_BOTTOM,
                    5: Image.Transpose.TRANSPOSE,
                    6: Image.Transpose.ROTATE_270,
                    7: Image.Transpose.TRANSVERSE,
                    8: Image.Transpose.ROTATE_90,
                }[orientation]
            )
        width, height = upright.size
        x1, y1, x2, y2 = upright.getbbox() or (0, 0, 0, 0)
        raw = SourceBox("car", 8 / 40, 19.5 / 30, 8 / 40, 15 / 30)

        (box,) = fit_to_picture((raw,), (40, 30), upright.size, orientation, Frame.RAW)

        corners = (box.cx - box.w / 2, box.cy - box.h / 2, box.cx + box.w / 2, box.cy + box.h / 2)
        assert corners == pytest.approx((x1 / width, y1 / height, x2 / width, y2 / height))


def test_labels_for_the_upright_picture_stay(tmp_path: Path, picture: MakePicture) -> None:
    """A tool that shows the picture upright states its upright size."""
    found = prepared(tmp_path, turned(picture, 6), voc((300, 400)))

    assert the_box(found) == pytest.approx((80 / 300, 220 / 400, 80 / 300, 100 / 400))


def test_labels_for_a_larger_copy_of_the_picture_fit(tmp_path: Path, picture: MakePicture) -> None:
    """Boxes are relative: a picture that was scaled after it was labelled keeps them."""
    found = prepared(tmp_path, picture(200, 150), voc((400, 300)))

    assert the_box(found) == pytest.approx((80 / 400, 220 / 300, 80 / 400, 100 / 300))


@pytest.mark.parametrize("stated", [(400, 200), (300, 400), (200, 300)])
def test_a_picture_of_another_shape_is_kept_out(
    tmp_path: Path, picture: MakePicture, stated: tuple[int, int]
) -> None:
    """Labels for a picture of another shape would lie beside the objects: it is not sent, and told."""
    (tmp_path / "good.jpg").write_bytes(picture(400, 300, shade=7))
    (tmp_path / "good.xml").write_text(voc((400, 300)).replace("a.jpg", "good.jpg"))

    found = prepared(tmp_path, picture(400, 300), voc(stated))

    assert [message.name for message in found.plan.messages] == ["good"]
    assert [(each.path, each.reason) for each in found.plan.unused] == [("a.jpg", "size_differs")]


def test_labels_without_a_size_are_for_the_picture(tmp_path: Path, picture: MakePicture) -> None:
    """VOC and COCO without width and height: the picture has them."""
    found = prepared(tmp_path, picture(400, 300), voc(None))

    assert the_box(found) == pytest.approx((80 / 400, 220 / 300, 80 / 400, 100 / 300))


def test_labels_that_cannot_say_their_frame_are_told(tmp_path: Path, picture: MakePicture) -> None:
    """YOLO labels of a picture that EXIF turns are taken for the upright one, and that is said."""
    (tmp_path / "classes.txt").write_text("car\n")
    (tmp_path / "a.jpg").write_bytes(turned(picture, 6))
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")

    plan = prepare_import(tmp_path, CATALOGUE).plan

    assert [(each.path, each.reason) for each in plan.remarks] == [("a.jpg", "turned_by_exif")]


@pytest.mark.parametrize(("orientation", "told"), [(1, False), (2, True), (3, True), (4, True), (6, False)])
def test_a_size_that_a_mirror_or_half_turn_leaves_says_nothing(
    tmp_path: Path,
    picture: MakePicture,
    orientation: int,
    told: bool,  # noqa: FBT001
) -> None:
    """Boxes of a picture that EXIF mirrors or turns over may be of the raw frame: that they are taken as upright is said."""
    plan = prepared(tmp_path, turned(picture, orientation), voc((400, 300))).plan

    assert [each.reason for each in plan.remarks] == ["turned_by_exif"] * told


AT = {1: (0.2, 22 / 30), 2: (0.8, 22 / 30), 3: (0.8, 8 / 30), 4: (0.2, 8 / 30)}
RAW, UPRIGHT = (400, 300), (300, 400)
"""Sizes that labels state of a picture which is stored as 400 x 300 and held on its side."""


@pytest.mark.parametrize("orientation", [2, 3, 4])
@pytest.mark.parametrize(
    ("others", "taken_for"),
    [
        ([RAW], "raw frame, as others"),
        ([RAW, RAW], "raw frame, as others"),
        ([UPRIGHT], "upright picture, as others"),
        ([RAW, UPRIGHT], "upright picture"),
        ([], "upright picture"),
    ],
)
def test_mirrored_pictures_go_by_the_others_of_their_folder(
    tmp_path: Path,
    picture: MakePicture,
    orientation: int,
    others: list[tuple[int, int]],
    taken_for: str,
) -> None:
    """The frame that pictures on their side tell, all of them alike, holds for those that mirrors and half turns leave."""
    for number, stated in enumerate(others):
        size = 400 + 4 * number, 300 + 3 * number
        (tmp_path / f"side_{number}.jpg").write_bytes(turned(picture, 6, size))
        (tmp_path / f"side_{number}.xml").write_text(voc(stated).replace("a.jpg", f"side_{number}.jpg"))

    plan = prepared(tmp_path, turned(picture, orientation), voc((400, 300))).plan

    (box,) = parse_detections(plan.messages[0].detections, CATALOGUE)
    expected = AT[orientation if taken_for.startswith(Frame.RAW) else 1]
    assert (box.cx, box.cy, box.w, box.h) == pytest.approx((*expected, 80 / 400, 100 / 300))
    assert [(each.path, each.reason) for each in plan.remarks] == [("a.jpg", "turned_by_exif")]
    assert plan.remarks[0].message.partition("taken for the ")[2].startswith(taken_for)


def test_a_box_without_area_does_not_refuse_its_picture(tmp_path: Path, picture: MakePicture) -> None:
    """A stray click is left out and told; the other boxes count."""
    (tmp_path / "classes.txt").write_text("car\n")
    (tmp_path / "a.jpg").write_bytes(picture())
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n0 0.3 0.3 0 0\n")

    plan = prepare_import(tmp_path, CATALOGUE).plan

    assert (len(plan.sound), [each.reason for each in plan.remarks]) == (1, ["boxes_without_area"])


def test_a_size_is_the_picture_s_within_a_pixel() -> None:
    """Scaled pictures are rounded to whole pixels; more than that is another shape."""
    box = (SourceBox("car", 0.5, 0.5, 0.1, 0.1),)

    assert fit_to_picture(box, (1920, 1080), (683, 384), 1) == box
    with pytest.raises(SizeDiffersError):
        fit_to_picture(box, (1920, 1080), (690, 384), 1)


def test_the_limits_of_the_ingestor_hold_for_the_import(tmp_path: Path, picture: MakePicture) -> None:
    """A home that takes fewer pixels says so beforehand."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "azaion.yaml").write_text("ingestor: {max_pixels: 1000}\n")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.jpg").write_bytes(picture(400, 300))
    (tmp_path / "set" / "a.xml").write_text(voc((400, 300)))
    rules = ImportRules(limits=IntakeSettings.of(tmp_path / "home").limits)

    with pytest.raises(PermanentError, match="picture_too_large"):
        prepare_import(tmp_path / "set", CATALOGUE, rules)
