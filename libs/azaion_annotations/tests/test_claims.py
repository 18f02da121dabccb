"""Several label files may speak of one picture, in one folder and in their own ways: nothing is overwritten unseen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from azaion_annotations.formats import SourceFolder, read_folder
from azaion_annotations.publish import prepare_import
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import PermanentError

MakePicture = Callable[..., bytes]
PERSON, CAR = (20, 10, 40, 40), (100, 20, 80, 60)


@pytest.fixture
def folder(tmp_path: Path, picture: MakePicture) -> Path:
    (tmp_path / "a.jpg").write_bytes(picture(200, 100))
    (tmp_path / "b.jpg").write_bytes(picture(200, 100, shade=9))
    return tmp_path


def coco(
    boxes: Sequence[tuple[int, Sequence[float]]],
    names: Mapping[int, str],
    *,
    file: str = "a.jpg",
    image_id: Any = 1,
    **more: Any,
) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": file, "width": 200, "height": 100}],
        "annotations": [
            {"id": n, "image_id": image_id, "category_id": kind, "bbox": list(box), **more}
            for n, (kind, box) in enumerate(boxes)
        ],
        "categories": [{"id": number, "name": name} for number, name in names.items()],
    }


def write(folder: Path, name: str, content: object) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))


def classes(source: SourceFolder, name: str = "a") -> list[str]:
    (found,) = (each for each in source.pictures if each.name == name)
    return [box.class_name for box in found.boxes]


def reasons(source: SourceFolder) -> dict[str, str]:
    return {problem.path: problem.reason for problem in source.problems}


def test_coco_files_are_joined_without_doubles(folder: Path) -> None:
    """``instances`` and ``person_keypoints`` of one picture: all boxes, the person once, class ids each file's own."""
    instances = coco([(1, PERSON), (3, CAR)], {1: "person", 3: "car"})
    keypoints = coco([(7, PERSON)], {7: "person", 1: "dog"}, keypoints=[0, 0, 0])
    write(folder, "annotations/instances_val2017.json", instances)
    write(folder, "annotations/person_keypoints_val2017.json", keypoints)

    source = read_folder(folder)

    assert classes(source) == ["person", "car"]
    assert {"person", "car", "dog"} == set(source.class_names)


def test_one_class_may_be_written_in_two_ways(folder: Path) -> None:
    """``Car`` and ``car`` are one class, as they are for the catalogue; a hundred classes are a hundred."""
    names = {number: f"class {number}" for number in range(100)} | {100: "Car", 101: "car"}
    write(folder, "set.json", coco([(100, PERSON), (101, CAR)], names))

    source = read_folder(folder)
    catalogue = Catalogue.from_names(source.class_names)

    assert (len(source.class_names), source.class_names[-1]) == (101, "Car")
    assert {catalogue.find(name) for name in classes(source)} == {(100, None)}


def test_one_file_under_two_image_ids_has_the_boxes_of_both(folder: Path) -> None:
    """A picture that a COCO file lists twice is one picture."""
    first, second = coco([(1, PERSON)], {1: "person"}), coco([(1, CAR)], {1: "person"}, image_id=2)
    first["images"].append({**second["images"][0], "id": 2})
    first["annotations"] += second["annotations"]
    write(folder, "set.json", first)

    assert classes(read_folder(folder)) == ["person", "person"]


def test_image_ids_may_be_text(folder: Path) -> None:
    """An id that is a number in one list and a text in the other is one id."""
    write(folder, "set.json", coco([(1, PERSON)], {1: "person"}, image_id="1"))

    assert classes(read_folder(folder)) == ["person"]


def test_annotations_of_no_picture_are_told(folder: Path) -> None:
    """Boxes for ids that the file does not list are counted, not dropped unseen."""
    content = coco([(1, PERSON)], {1: "person"})
    content["annotations"].append({"id": 9, "image_id": 77, "category_id": 1, "bbox": [1, 1, 2, 2]})
    write(folder, "set.json", content)

    assert reasons(read_folder(folder))["set.json"] == "annotations_without_picture"


def test_a_picture_of_crowds_is_no_background(folder: Path) -> None:
    """A picture whose only objects are crowd regions is kept out, and said so; beside others they are told of."""
    content = coco([(1, PERSON)], {1: "person"})
    content["images"].append({"id": 2, "file_name": "b.jpg", "width": 200, "height": 100})
    crowd = {"image_id": 2, "category_id": 1, "bbox": [1, 1, 9, 9], "iscrowd": 1}
    content["annotations"] += [crowd, {**crowd, "image_id": 1}]
    write(folder, "set.json", content)

    source = read_folder(folder)

    assert [each.name for each in source.pictures] == ["a"]
    assert reasons(source) == {"b.jpg": "only_crowds"}
    assert [remark.reason for remark in source.remarks] == ["crowds_left_out"]


@pytest.mark.parametrize(("flag", "boxes"), [("0", 1), ("1", 0), (False, 1), (None, 1), (True, 0)])
def test_a_flag_may_be_text(folder: Path, flag: object, boxes: int) -> None:
    """Some tools write numbers as text: what is called no crowd is an object."""
    write(folder, "a.json", coco([(1, CAR)], {1: "car"}, iscrowd=flag))
    write(folder, "b.json", coco([(1, CAR)], {1: "car"}, file="b.jpg"))

    assert sum(len(each.boxes) for each in read_folder(folder).pictures) == boxes + 1


def test_a_cut_file_beside_a_good_one_is_named(folder: Path) -> None:
    """It is not "no COCO file names this picture": the file that would is broken."""
    write(folder, "a.json", coco([(1, PERSON)], {1: "person"}))
    write(folder, "b.json", json.dumps(coco([(1, CAR)], {1: "car"}, file="b.jpg"))[:-20])

    assert reasons(read_folder(folder))["b.json"] == "labels_unreadable"


def test_shapes_become_the_boxes_around_them_or_keep_the_picture_out(folder: Path) -> None:
    """An outline has a box around it; without one the picture would be background, which is a lie."""
    content = coco([(1, PERSON)], {1: "person"})
    content["annotations"][0] |= {"bbox": [], "segmentation": [[20, 10, 60, 10, 60, 50]]}
    content["images"].append({"id": 2, "file_name": "b.jpg", "width": 200, "height": 100})
    content["annotations"].append({"image_id": 2, "category_id": 1, "segmentation": {"counts": "x"}})
    write(folder, "set.json", content)

    source = read_folder(folder)

    assert [each.boxes[0].xywh for each in source.pictures] == [pytest.approx((0.2, 0.3, 0.2, 0.4))]
    assert reasons(source) == {"b.jpg": "shape_not_a_box"}


def voc(filename: str, name: str = "car") -> str:
    box = "<bndbox><xmin>21</xmin><ymin>11</ymin><xmax>60</xmax><ymax>50</ymax></bndbox>"
    size = "<size><width>200</width><height>100</height></size>"
    item = f"<object><name>{name}</name>{box}</object>"
    return f"<annotation><filename>{filename}</filename>{size}{item}</annotation>"


CVAT = (
    "<annotations><meta><task><labels><label><name>car</name></label></labels></task></meta>{}</annotations>"
)
SHAPES = {
    "polygon": ('<polygon label="car" points="20,10;60,10;60,50"/>', (0.2, 0.3, 0.2, 0.4)),
    "mask": ('<mask label="car" rle="1" left="20" top="10" width="40" height="40"/>', (0.2, 0.3, 0.2, 0.4)),
    "ellipse": ('<ellipse label="car" cx="40" cy="30" rx="20" ry="20"/>', (0.2, 0.3, 0.2, 0.4)),
    "turned": (
        '<box label="car" xtl="20" ytl="20" xbr="60" ybr="40" rotation="90"/>',
        (0.2, 0.3, 0.1, 0.4),
    ),
    "skeleton": (
        '<skeleton label="car"><points points="20,10"/><points points="60,50"/></skeleton>',
        (0.2, 0.3, 0.2, 0.4),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_cvat_become_the_boxes_around_them(folder: Path, shape: str) -> None:
    """Polygons, masks, ellipses, turned boxes and skeletons are objects, too."""
    xml, expected = SHAPES[shape]
    write(folder, "x.xml", CVAT.format(f'<image name="a.jpg" width="200" height="100">{xml}</image>'))

    (box,) = (box for each in read_folder(folder).pictures for box in each.boxes)

    assert box.xywh == pytest.approx(expected)


def test_a_shape_without_a_box_keeps_its_picture_out(folder: Path) -> None:
    """A single point has no extent: the picture is not background because of it."""
    images = (
        '<image name="a.jpg" width="200" height="100"><points label="car" points="20,10"/></image>'
        '<image name="b" width="200" height="100"><box label="car" xtl="1" ytl="1" xbr="9" ybr="9"/></image>'
    )
    write(folder, "x.xml", CVAT.format(images))

    source = read_folder(folder)

    assert [each.name for each in source.pictures] == ["b"]
    assert reasons(source) == {"a.jpg": "shape_not_a_box"}


def test_a_picture_of_tags_is_no_background(folder: Path) -> None:
    """A picture of which CVAT has tags and no shapes is kept out, and said so; beside shapes they are told of."""
    box, tag = '<box label="car" xtl="1" ytl="1" xbr="9" ybr="9"/>', '<tag label="night"/>'
    images = (
        f'<image name="a.jpg" width="200" height="100">{tag}{tag}</image>'
        f'<image name="b.jpg" width="200" height="100">{tag}{box}</image>'
    )
    write(folder, "x.xml", CVAT.format(images))

    source = read_folder(folder)

    assert [each.name for each in source.pictures] == ["b"]
    assert reasons(source) == {"a.jpg": "only_tags"}
    assert [(remark.path, remark.reason) for remark in source.remarks] == [("b.jpg", "tags_left_out")]


def test_a_second_word_on_a_picture_decides_whether_it_is_empty(folder: Path) -> None:
    """Crowds in one file and a person in another are a picture with a person, whichever is read first."""
    crowd, person = coco([(1, CAR)], {1: "person"}, iscrowd=1), coco([(1, PERSON)], {1: "person"})
    write(folder, "first.json", crowd)
    write(folder, "second.json", person)

    source = read_folder(folder)

    assert classes(source) == ["person"]
    assert [remark.reason for remark in source.remarks] == ["labels_joined", "crowds_left_out"]


@pytest.mark.parametrize(
    "shapes",
    ['<cylinder label="car" points="1,1;9,9"/>', '<track label="car"><cylinder frame="0"/></track>'],
)
def test_a_shape_that_nobody_knows_keeps_its_picture_out(
    tmp_path: Path, picture: MakePicture, shapes: str
) -> None:
    """Shapes of a later CVAT are objects: without them the picture would be taken for background."""
    for number in range(2):
        (tmp_path / f"frame_{number}.jpg").write_bytes(picture(200, 100, shade=number))
    box = '<box frame="1" label="car" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    image = '<image name="frame_{}.jpg" width="200" height="100">{}</image>'
    if shapes.startswith("<track"):
        xml = f'{shapes}<track label="car">{box}</track>'
    else:
        xml = image.format(0, shapes) + image.format(1, box)
    write(tmp_path, "x.xml", CVAT.format(xml))

    source = read_folder(tmp_path)

    assert [each.name for each in source.pictures] == ["frame_1"]
    assert reasons(source) == {"frame_0.jpg": "shape_not_a_box"}


def test_a_picture_of_boxes_without_area_is_no_background(folder: Path) -> None:
    """Where every box of a picture is left out the picture is, too, and the report counts it by its reason."""
    write(folder, "classes.txt", "car\n")
    write(folder, "a.txt", "0 0.5 0.5 0.2 0.2\n")
    write(folder, "b.txt", "0 0.3 0.3 0 0\n0 0.4 0.4 0 0.1\n")

    plan = prepare_import(folder).plan

    assert [message.name for message in plan.messages] == ["a"]
    assert [(each.path, each.reason) for each in plan.unused] == [("b.jpg", "boxes_without_area")]


CVAT_CAR = '<box label="car" xtl="20" ytl="10" xbr="60" ybr="50"/>'
DOUBLES = {
    "coco": ("set.json", json.dumps(coco([(1, PERSON), (1, PERSON)], {1: "car"}))),
    "yolo": ("a.txt", "0 0.2 0.3 0.2 0.4\n0 0.2 0.3 0.2 0.4\n"),
    "voc": ("a.xml", voc("a.jpg").replace("</annotation>", voc("a.jpg").partition("</size>")[2])),
    "cvat": ("x.xml", CVAT.format(f'<image name="a.jpg" width="200" height="100">{CVAT_CAR * 2}</image>')),
}


@pytest.mark.parametrize("format_name", DOUBLES)
def test_a_box_that_is_there_twice_is_taken_once_and_told(folder: Path, format_name: str) -> None:
    """The same class at the same place twice in one picture's labels is one object, in every format."""
    if format_name == "yolo":
        write(folder, "classes.txt", "car\n")
    write(folder, *DOUBLES[format_name])

    plan = prepare_import(folder).plan

    assert (plan.messages[0].name, plan.messages[0].boxes) == ("a", ("car",))
    assert len(json.loads(plan.messages[0].detections)) == 1
    assert [(each.path, each.reason) for each in plan.remarks] == [("a.jpg", "boxes_doubled")]


def test_boxes_that_lie_close_are_two_objects(folder: Path) -> None:
    """Only what is the same to the last digit is a double."""
    write(folder, "classes.txt", "car\nbus\n")
    write(folder, "a.txt", "0 0.5 0.5 0.2 0.2\n0 0.500001 0.5 0.2 0.2\n1 0.5 0.5 0.2 0.2\n")

    plan = prepare_import(folder).plan

    assert (plan.messages[0].boxes, plan.remarks) == (("car", "car", "bus"), ())


def test_digits_that_no_label_file_has_make_no_object(folder: Path) -> None:
    """What would be twice in a home's label files, or have no area there, is left out as it would be the next time."""
    write(folder, "classes.txt", "car\n")
    write(folder, "a.txt", "0 0.5 0.5 0.2 0.2\n0 0.5000001 0.5 0.2 0.2\n0 0.5 0.5 0.0000001 0.2\n")

    plan = prepare_import(folder).plan

    assert plan.messages[0].boxes == ("car",)
    assert [each.reason for each in plan.remarks] == ["boxes_without_area", "boxes_doubled"]


def test_tracks_of_cvat_are_read(tmp_path: Path, picture: MakePicture) -> None:
    """CVAT for video: each frame has the boxes that are visible in it, and is of the task's recording."""
    (tmp_path / "images").mkdir()
    for frame in range(3):
        (tmp_path / "images" / f"frame_{frame:06}.PNG").write_bytes(picture(kind="PNG", shade=frame))
    box = '<box frame="{}" outside="{}" xtl="20" ytl="10" xbr="60" ybr="50"/>'
    track = f'<track id="0" label="car">{box.format(0, 0)}{box.format(1, 0)}{box.format(2, 1)}</track>'
    size = "<original_size><width>200</width><height>100</height></original_size>"
    xml = f"<annotations><meta><task><name>street 7</name>{size}</task></meta>{track}</annotations>"
    (tmp_path / "annotations.xml").write_text(xml)

    source = read_folder(tmp_path)

    assert [len(each.boxes) for each in source.pictures] == [1, 1, 0]
    assert {each.recording for each in source.pictures} == {"street 7"}
    assert source.pictures[0].boxes[0].xywh == pytest.approx((0.2, 0.3, 0.2, 0.4))


def test_copied_voc_files_belong_to_their_own_picture(folder: Path) -> None:
    """``b.xml`` that was copied from ``a.xml`` and still names ``a.jpg`` labels ``b.jpg``."""
    write(folder, "a.xml", voc("a.jpg", "car"))
    write(folder, "b.xml", voc("a.jpg", "bus"))

    source = read_folder(folder)

    assert (classes(source, "a"), classes(source, "b")) == (["car"], ["bus"])


def test_two_voc_files_of_one_picture_are_joined_and_told(folder: Path) -> None:
    """Labels of two people for one picture: all boxes, each object once, and a word about it."""
    write(folder, "a.xml", voc("a.jpg", "car"))
    write(folder, "second.xml", voc("a.jpg", "bus"))
    write(folder, "third.xml", voc("a.jpg", "car"))

    source = read_folder(folder)

    assert sorted(classes(source)) == ["bus", "car"]
    assert [remark.reason for remark in source.remarks] == ["labels_joined"]


def test_a_stray_file_of_another_format_does_not_decide(folder: Path) -> None:
    """One VOC file left among YOLO labels: the folder is YOLO, and the other labels are told of."""
    write(folder, "classes.txt", "car\n")
    for name in ("a", "b"):
        write(folder, f"{name}.txt", "0 0.5 0.5 0.2 0.2\n")
    write(folder, "a.xml", voc("a.jpg"))

    source = read_folder(folder)

    assert (source.format, reasons(source)) == ("yolo", {".": "other_labels"})


@pytest.mark.parametrize(
    ("beside", "remarks"), [("0 0.2 0.2 0.1 0.1\n", ["images/a.jpg"]), ("0 0.5 0.5 0.2 0.2\r\n", [])]
)
def test_two_label_files_of_one_picture_are_told(
    tmp_path: Path, picture: MakePicture, beside: str, remarks: list[str]
) -> None:
    """A picture has the boxes of its file in labels; another one beside it that says something else is no secret."""
    for place in ("images", "labels"):
        (tmp_path / place).mkdir()
    (tmp_path / "classes.txt").write_text("car\n")
    for name in "ab":
        (tmp_path / "images" / f"{name}.jpg").write_bytes(picture())
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "images" / "a.txt").write_text(beside)
    (tmp_path / "images" / "b.txt").write_text("0 0.5 0.5 0.2 0.2\n")

    source = read_folder(tmp_path)

    assert [box.xywh for each in source.pictures for box in each.boxes] == [(0.5, 0.5, 0.2, 0.2)] * 2
    assert [each.path for each in source.remarks if each.reason == "labels_passed_over"] == remarks
    assert source.problems == ()


_CVAT_BOX = '<box label="car" xtl="{}" ytl="1" xbr="9" ybr="9"/>'


@pytest.mark.parametrize(
    "files",
    [
        {"a.xml": voc("a.jpg").replace("bndbox", "box"), "b.xml": voc("b.jpg")},
        {
            "a.xml": f"<annotations><image name='a.jpg'>{_CVAT_BOX.format('?')}</image>"
            f"<image name='b.jpg'>{_CVAT_BOX.format(1)}</image></annotations>"
        },
        {
            "a.json": coco([(1, CAR)], {1: "car"}) | {"annotations": [{"image_id": 1, "bbox": [*CAR]}]},
            "b.json": coco([(1, CAR)], {1: "car"}, file="b.jpg"),
        },
    ],
    ids=["voc", "cvat", "coco"],
)
def test_labels_that_cannot_be_read_say_why(folder: Path, files: Mapping[str, object]) -> None:
    """A picture is quarantined for what its labels lack, in the words of their format; another is taken all the same."""
    for name, content in files.items():
        write(folder, name, content)

    plan = prepare_import(folder, Catalogue.from_names(["car"])).plan

    (problem,) = plan.quarantined
    assert problem.message.startswith("its labels cannot be read: ")
    assert len(plan.sound) == 1


def test_each_set_goes_by_the_nearest_class_names(tmp_path: Path, picture: MakePicture) -> None:
    """Two exports in one folder with their classes in another order: a car is a car in both."""
    for place, names in (("one", "car\nbus\n"), ("two", "bus\ncar\n")):
        (tmp_path / place / "labels").mkdir(parents=True)
        (tmp_path / place / "images").mkdir()
        (tmp_path / place / "classes.txt").write_text(names)
        (tmp_path / place / "images" / f"{place}.jpg").write_bytes(picture())
        number = names.split().index("car")
        (tmp_path / place / "labels" / f"{place}.txt").write_text(f"{number} 0.5 0.5 0.2 0.2\n")

    source = read_folder(tmp_path)

    assert [box.class_name for each in source.pictures for box in each.boxes] == ["car", "car"]


def test_class_names_that_cannot_be_told_are_refused(tmp_path: Path, picture: MakePicture) -> None:
    """Two descriptions that differ, neither of them above the labels: no guess is made."""
    for place, names in (("one", "car\nbus\n"), ("two", "bus\ncar\n")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "classes.txt").write_text(names)
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "x.jpg").write_bytes(picture())
    (tmp_path / "three" / "x.txt").write_text("0 0.5 0.5 0.2 0.2\n")

    with pytest.raises(PermanentError, match="class_names_unclear"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("line", "description", "expected"),
    [
        ("0 0.5 0.5 0.2 0.2 0.93 17", "", (0.5, 0.5, 0.2, 0.2)),
        ("0 0.5 0.5 0.2 0.2 0.1 0.1 0.9 0.9", "kpt_shape: [2, 2]", (0.5, 0.5, 0.2, 0.2)),
        ("0 0.4 0.4 0.6 0.4 0.6 0.6 0.4 0.6", "", (0.5, 0.5, 0.2, 0.2)),
    ],
)
def test_lines_of_tracks_poses_and_turned_boxes(
    tmp_path: Path, picture: MakePicture, line: str, description: str, expected: tuple[float, ...]
) -> None:
    """A track's id and a pose's points are no corners of a polygon; four corners are."""
    (tmp_path / "data.yaml").write_text(f"names: [car]\n{description}\n")
    (tmp_path / "a.jpg").write_bytes(picture())
    (tmp_path / "a.txt").write_text(line)

    (box,) = read_folder(tmp_path).pictures[0].boxes

    assert box.xywh == pytest.approx(expected)
