"""CVAT 1.1: one XML file for all pictures of a task or project, shapes in pixels from 0, labels by name.

Shapes other than boxes become the boxes around them; a picture with one that has no such box is kept out, because
without that object it would lie. Tags say something of a picture and nothing of its objects. Tracks of a video become
the boxes of each frame.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    envelope,
    from_pixels,
    shown,
)
from azaion_annotations.formats.xml import load, roots

_TAG = "annotations"
_WHOLE_PICTURE = "tag"
_SIDES = {"train", "val", "valid", "validation", "test"}
Corners = tuple[float, float, float, float]
Row = tuple[str, Corners]


class _NotABoxError(Exception):
    """A shape that no box can be told from."""


def recognises(files: FolderFiles) -> bool:
    return any(_is_cvat(root) for root in roots(files, _TAG).values())


def read(files: FolderFiles, default_names: Sequence[str] = ()) -> SourceFolder:
    """Read the folder; class names as the task's label list has them, then any others in use, alphabetically."""
    claims, names = Claims(), dict[str, None]()
    for label in files.with_suffix(".xml"):
        root = load(files, label)
        if root is None or root.tag != _TAG or not _is_cvat(root):
            claims.problems.append(Problem(shown(label), "labels_unreadable", "not a CVAT file"))
            continue
        names |= dict.fromkeys(
            (element.text or "").strip() for element in root.iterfind("meta//labels/label/name")
        )
        file = _File(files, label, root, claims)
        file.add_images()
        file.add_tracks()
    used = {box.class_name for picture in claims.pictures.values() for box in picture.boxes}
    others = [*files.unlabelled(claims.spoken_of, "CVAT file"), *files.passed_over()]
    return claims.folder("cvat", [*names, *sorted(used)], others)


def _is_cvat(root: Element) -> bool:
    return root.find("image") is not None or root.find("track") is not None


@dataclass(frozen=True, slots=True)
class _File:
    """One CVAT file, and where what it says goes."""

    files: FolderFiles
    label: str
    root: Element
    claims: Claims

    def add_images(self) -> None:
        for image in self.root.iterfind("image"):
            reference, subset = image.get("name", ""), image.get("subset") or "default"
            found = self.files.find(reference, self.label, f"images/{subset}", subset)
            found = found or self.files.find_by_stem(reference)
            if leads_outside(reference):
                self.claims.outside(reference)
            elif found is None:
                self.claims.problems.append(self.files.missing_picture(self.label, reference))
            else:
                side = side_called(subset) if subset.lower() in _SIDES else side_in(found)
                self._claim(found, image, (image.get("width"), image.get("height")), side=side)

    def add_tracks(self) -> None:
        """Each frame of a video that has its picture in the folder, with the boxes that are visible in it."""
        if self.root.find("track") is None:
            return
        frames = self._frames()
        meta = {key: self.root.findtext(f"meta//{key}") for key in ("source", "task/name")}
        size = tuple(self.root.findtext(f"meta//original_size/{key}") for key in ("width", "height"))
        recording = stem(meta["source"] or meta["task/name"] or "")
        for number, picture in sorted(_frame_pictures(self.files, self.label).items()):
            frame = frames.pop(number, Element("frame"))
            self._claim(picture, frame, (size[0], size[1]), side=side_in(picture), recording=recording)
        self.claims.problems += [
            self.files.missing_picture(self.label, f"frame {number}") for number in sorted(frames)
        ]

    def _frames(self) -> dict[int, Element]:
        """The visible shapes of each frame."""
        frames: dict[int, Element] = defaultdict(lambda: Element("frame"))
        for track in self.root.iterfind("track"):
            for shape in track:
                if shape.get("outside") != "1":
                    shape.set("label", track.get("label", ""))
                    frames[_integer(shape.get("frame"))].append(shape)
        return frames

    def _claim(
        self,
        found: str,
        element: Element,
        size: tuple[str | None, str | None],
        *,
        side: str,
        recording: str = "",
    ) -> None:
        path = self.files.path(found)
        try:
            rows = [_row(shape) for shape in element if shape.tag != _WHOLE_PICTURE]
            picture = from_pixels(stem(found), path, rows, (float(size[0] or 0), float(size[1] or 0)))
        except _NotABoxError as error:
            self.claims.keep_out(found, "shape_not_a_box", str(error))
            return
        except ValueError as error:
            text = tostring(element, encoding="unicode")
            picture = SourcePicture(stem(found), path, unreadable_labels=text, why_unreadable=str(error))
        self.claims.add(found, replace(picture, side=side, recording=recording), self.label)
        if tags := len(element.findall(_WHOLE_PICTURE)):
            self.claims.leave_out(found, "tags", f"{tags} tags, which are of the whole picture")


def _frame_pictures(files: FolderFiles, label: str) -> Mapping[int, str]:
    """The pictures beside ``label`` and below that are called by their frame's number (``frame_000012``)."""
    folder = label.rpartition("/")[0]
    found: dict[int, str] = {}
    for name in files.pictures:
        number = re.search(r"([0-9]+)$", stem(name))
        if number and (not folder or name.startswith(f"{folder}/")):
            found.setdefault(int(number[1]), name)
    return found


def _row(shape: Element) -> Row:
    if shape.tag not in _SHAPES:
        raise _NotABoxError(f"it has a '{shown(shape.tag)}', a shape that is not read")
    try:
        return (shape.get("label") or "").strip(), _SHAPES[shape.tag](shape)
    except _NotABoxError:
        raise
    except ValueError as error:
        if shape.tag == "box":
            raise
        raise _NotABoxError(f"it has a {shape.tag} that no box can be told from: {error}") from error


def _box(shape: Element) -> Corners:
    x1, y1, x2, y2 = (_number(shape, key) for key in ("xtl", "ytl", "xbr", "ybr"))
    turn = math.radians(float(shape.get("rotation") or 0))
    if not turn:
        return x1, y1, x2, y2
    cx, cy, w, h = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
    half_w = (abs(w * math.cos(turn)) + abs(h * math.sin(turn))) / 2
    half_h = (abs(w * math.sin(turn)) + abs(h * math.cos(turn))) / 2
    return cx - half_w, cy - half_h, cx + half_w, cy + half_h


def _outline(shape: Element) -> Corners:
    return envelope(_points(shape.get("points", "")))


def _points(text: str) -> Iterator[tuple[float, float]]:
    for point in text.split(";"):
        x, y = point.split(",")
        yield float(x), float(y)


def _mask(shape: Element) -> Corners:
    left, top, width, height = (_number(shape, key) for key in ("left", "top", "width", "height"))
    return envelope([(left, top), (left + width, top + height)])


def _ellipse(shape: Element) -> Corners:
    cx, cy, rx, ry = (_number(shape, key) for key in ("cx", "cy", "rx", "ry"))
    turn = math.radians(float(shape.get("rotation") or 0))
    half_w = math.hypot(rx * math.cos(turn), ry * math.sin(turn))
    half_h = math.hypot(rx * math.sin(turn), ry * math.cos(turn))
    return envelope([(cx - half_w, cy - half_h), (cx + half_w, cy + half_h)])


def _cuboid(shape: Element) -> Corners:
    keys = [
        (key, key.replace("x", "y", 1)) for key in shape.attrib if re.fullmatch("x(tl|bl|tr|br)[12]", key)
    ]
    if not keys:
        raise ValueError("no corners")
    return envelope([(_number(shape, x), _number(shape, y)) for x, y in keys])


def _skeleton(shape: Element) -> Corners:
    return envelope([point for each in shape.iterfind("points") for point in _points(each.get("points", ""))])


_SHAPES = {
    "box": _box,
    "polygon": _outline,
    "polyline": _outline,
    "points": _outline,
    "mask": _mask,
    "ellipse": _ellipse,
    "cuboid": _cuboid,
    "skeleton": _skeleton,
}


def _number(element: Element, key: str) -> float:
    text = element.get(key)
    if text is None:
        raise ValueError(f"no {key}")
    return float(text)


def _integer(text: str | None) -> int:
    return int(text) if text and text.isdigit() else -1
