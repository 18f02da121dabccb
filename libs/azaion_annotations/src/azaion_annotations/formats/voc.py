"""Pascal VOC: one XML file per picture, corners in pixels that count from 1 and include the last pixel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from xml.etree.ElementTree import Element, tostring

from azaion_annotations.formats.files import (
    FolderFiles,
    leads_outside,
    side_called,
    side_in,
    stem,
)
from azaion_annotations.formats.source import (
    Claims,
    Problem,
    SourceFolder,
    SourcePicture,
    from_pixels,
    shown,
)
from azaion_annotations.formats.xml import load, number, roots

_TAG = "annotation"
_SIDE_FILE = re.compile(r"(?:.*/)?ImageSets/Main/(train|val|test)\.txt")
Row = tuple[str, tuple[float, float, float, float]]


def recognises(files: FolderFiles) -> bool:
    return bool(roots(files, _TAG))


def read(files: FolderFiles, default_names: Sequence[str] = ()) -> SourceFolder:
    """Read the folder; class names in alphabetical order, because VOC numbers none."""
    claims, sides = Claims(), _sides(files)
    for label in files.with_suffix(".xml"):
        root = load(files, label)
        if root is None or root.tag != _TAG:
            claims.problems.append(Problem(shown(label), "labels_unreadable", "not a Pascal VOC file"))
            continue
        reference = root.findtext("filename") or stem(label)
        found = _picture_of(files, label, reference)
        if leads_outside(reference):
            claims.outside(reference)
        elif found is None:
            claims.problems.append(files.missing_picture(label, reference))
        else:
            side = side_in(found) or sides.get(stem(found), "")
            claims.add(found, replace(_picture(files, found, root), side=side), label)
    names = {box.class_name for picture in claims.pictures.values() for box in picture.boxes}
    others = [*files.unlabelled(claims.spoken_of, "XML file"), *files.passed_over()]
    return claims.folder("voc", sorted(names), others)


def _picture_of(files: FolderFiles, label: str, reference: str) -> str | None:
    """Renamed and copied files keep their pair by name: the label file's stem decides where ``filename`` misleads."""
    named = files.find(reference, label)
    if named is not None and stem(named) == stem(label):
        return named
    candidates = (
        files.find(stem(label) + suffix, label)
        for suffix in (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")
    )
    return next((found for found in candidates if found), None) or named or files.find_by_stem(reference)


def _sides(files: FolderFiles) -> dict[str, str]:
    """Side of each stem that ``ImageSets/Main`` lists."""
    sides = {}
    for name in files.with_suffix(".txt"):
        if listed := _SIDE_FILE.fullmatch(name):
            words = (line.split() for line in files.read_text(name).splitlines())
            sides.update({line[0]: side_called(listed[1]) for line in words if line})
    return sides


def _picture(files: FolderFiles, name: str, root: Element) -> SourcePicture:
    try:
        rows = [_row(item) for item in root.iter("object")]
        width, height = (float(root.findtext(f"size/{tag}") or 0) for tag in ("width", "height"))
    except ValueError as error:
        text = tostring(root, encoding="unicode")
        return SourcePicture(stem(name), files.path(name), unreadable_labels=text, why_unreadable=str(error))
    return from_pixels(stem(name), files.path(name), rows, (width, height))


def _row(item: Element) -> Row:
    bounds = item.find("bndbox")
    if bounds is None:
        raise ValueError("an object has no bndbox")
    x1, y1, x2, y2 = (number(bounds, tag) for tag in ("xmin", "ymin", "xmax", "ymax"))
    # Many tools write 0 for the first pixel; that is no reason to refuse a box.
    corners = (x1 - 1 if x1 >= 1 or x1 < 0 else 0.0, y1 - 1 if y1 >= 1 or y1 < 0 else 0.0, x2, y2)
    return (item.findtext("name") or "").strip(), corners
