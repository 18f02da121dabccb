"""CVAT for images 1.1: one XML file for all pictures, corner boxes in pixels from 0, labels by name.

Shapes other than boxes are told of as problems, never turned into boxes silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, tostring

from azaion_common.annotations.formats.files import (
    FolderFiles,
    leads_outside,
    missing_picture,
    outside_picture,
    stem,
)
from azaion_common.annotations.formats.source import (
    Problem,
    SourceBox,
    SourceFolder,
    SourcePicture,
    box_from_corners,
)
from azaion_common.annotations.formats.xml import roots

_TAG = "annotations"
_OTHER_SHAPES = {"polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton"}


def recognises(files: FolderFiles) -> bool:
    return any(root.find("image") is not None for root in roots(files, _TAG).values())


def read(files: FolderFiles, default_names: Sequence[str] = ()) -> SourceFolder:
    """Read the folder; class names as the task's label list has them, then any others in use, alphabetically."""
    pictures: dict[str, SourcePicture] = {}
    problems: list[Problem] = []
    names: dict[str, None] = {}
    for label, root in roots(files, _TAG).items():
        names |= dict.fromkeys(element.text or "" for element in root.iterfind("meta//labels/label/name"))
        for image in root.iterfind("image"):
            reference = image.get("name", "")
            found = files.find(reference, label)
            if found:
                pictures[found] = _picture(files, found, image)
                problems += _other_shapes(found, image)
            elif leads_outside(reference):
                pictures[reference] = outside_picture(reference)
            else:
                problems.append(missing_picture(label, reference))
    problems += [*files.unlabelled(set(pictures), "CVAT file"), *files.unsupported()]
    used = {box.class_name for picture in pictures.values() for box in picture.boxes}
    names |= dict.fromkeys(sorted(used))
    return SourceFolder("cvat", tuple(names), tuple(pictures.values()), tuple(problems))


def _picture(files: FolderFiles, name: str, image: Element) -> SourcePicture:
    try:
        boxes = tuple(_box(box, image) for box in image.iterfind("box"))
    except ValueError:
        text = tostring(image, encoding="unicode")
        return SourcePicture(stem(name), files.path(name), unreadable_labels=text)
    return SourcePicture(stem(name), files.path(name), boxes)


def _box(box: Element, image: Element) -> SourceBox:
    x1, y1, x2, y2 = (_attribute(box, key) for key in ("xtl", "ytl", "xbr", "ybr"))
    size = _attribute(image, "width"), _attribute(image, "height")
    return box_from_corners(box.get("label", ""), (x1, y1, x2, y2), *size)


def _attribute(element: Element, key: str) -> float:
    text = element.get(key)
    if text is None:
        raise ValueError(f"no {key}")
    return float(text)


def _other_shapes(name: str, image: Element) -> list[Problem]:
    kinds = sorted({shape.tag for shape in image} & _OTHER_SHAPES)
    return [Problem(name, "shape_not_a_box", f"its shapes of kind {kind} are left out") for kind in kinds]
