"""Pascal VOC: one XML file per picture, corners in pixels that count from 1 and include the last pixel."""

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
from azaion_common.annotations.formats.xml import load, number, roots

_TAG = "annotation"


def recognises(files: FolderFiles) -> bool:
    return bool(roots(files, _TAG))


def read(files: FolderFiles, default_names: Sequence[str] = ()) -> SourceFolder:
    """Read the folder; class names in alphabetical order, because VOC numbers none."""
    pictures: dict[str, SourcePicture] = {}
    problems: list[Problem] = []
    for label in files.with_suffix(".xml"):
        root = load(files, label)
        if root is None or root.tag != _TAG:
            problems.append(Problem(label, "labels_unreadable", "not a Pascal VOC file"))
            continue
        reference = root.findtext("filename") or stem(label)
        found = files.find(reference, label) or _by_stem(files, label)
        if leads_outside(reference):
            pictures[reference] = outside_picture(reference)
        elif found is None:
            problems.append(missing_picture(label, reference))
        else:
            pictures[found] = _picture(files, found, root)
    problems += [*files.unlabelled(set(pictures), "XML file"), *files.unsupported()]
    names = {box.class_name for picture in pictures.values() for box in picture.boxes}
    return SourceFolder("voc", tuple(sorted(names)), tuple(pictures.values()), tuple(problems))


def _by_stem(files: FolderFiles, label: str) -> str | None:
    """Renamed files keep their pair by name: the stem of the label file decides where ``filename`` misleads."""
    candidates = (
        files.find(stem(label) + suffix, label) for suffix in (".jpg", ".jpeg", ".png", ".JPG", ".PNG")
    )
    return next((found for found in candidates if found), None)


def _picture(files: FolderFiles, name: str, root: Element) -> SourcePicture:
    try:
        boxes = tuple(_box(item, root) for item in root.iter("object"))
    except ValueError:
        text = tostring(root, encoding="unicode")
        return SourcePicture(stem(name), files.path(name), unreadable_labels=text)
    return SourcePicture(stem(name), files.path(name), boxes)


def _box(item: Element, root: Element) -> SourceBox:
    bounds = item.find("bndbox")
    if bounds is None:
        raise ValueError("no bndbox")
    x1, y1, x2, y2 = (number(bounds, tag) for tag in ("xmin", "ymin", "xmax", "ymax"))
    # Many tools write 0 for the first pixel; that is no reason to refuse a box.
    corners = (x1 - 1 if x1 >= 1 or x1 < 0 else 0.0, y1 - 1 if y1 >= 1 or y1 < 0 else 0.0, x2, y2)
    width, height = (float(root.findtext(f"size/{tag}") or 0) for tag in ("width", "height"))
    return box_from_corners((item.findtext("name") or "").strip(), corners, width, height)
