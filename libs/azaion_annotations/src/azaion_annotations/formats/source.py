"""What every importer yields: pictures with boxes in one form, and the files that could not be used, with reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

SAME_WITHIN = 1e-3
"""Two tools that write the same box differ by their rounding."""
LABEL_DECIMALS = 6
"""Of coordinates in the label files of a home and of datasets."""


@dataclass(frozen=True, slots=True)
class SourceBox:
    """One object: class by name, centre form, relative to the picture (0-1). Not checked yet."""

    class_name: str
    cx: float
    cy: float
    w: float
    h: float

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        return self.cx, self.cy, self.w, self.h

    @property
    def in_a_label_file(self) -> tuple[str, tuple[float, ...]]:
        """Class and ``xywh`` as a label file will have them: boxes that are equal there are one."""
        return self.class_name.casefold(), tuple(round(number, LABEL_DECIMALS) for number in self.xywh)

    @property
    def has_area(self) -> bool:
        """In a label file."""
        _, (_, _, w, h) = self.in_a_label_file
        return w != 0 and h != 0

    def is_same(self, other: SourceBox, within: float = SAME_WITHIN) -> bool:
        """The same object in another file's words."""
        return self.class_name.casefold() == other.class_name.casefold() and all(
            abs(a - b) <= within for a, b in zip(self.xywh, other.xywh, strict=True)
        )


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """A picture and its labels as the folder gives them.

    ``path`` is None when the labels name a file outside the folder, which is never read. Labels that cannot be
    parsed are in ``unreadable_labels``, as they stand: nothing is dropped on the way to quarantine.
    """

    name: str
    path: Path | None
    boxes: tuple[SourceBox, ...] = ()
    unreadable_labels: str | None = None
    why_unreadable: str = ""
    """What is wrong with labels that cannot be parsed, for people."""
    file: str = ""
    """Its path in the folder, for people."""
    stated_size: tuple[float, float] | None = None
    """Width and height that the labels are written for, in pixels; None where they state none."""
    in_pixels: bool = False
    """The boxes are in pixels of the picture itself, because its labels state no size."""
    labelled: bool = True
    """False: no label file speaks of it, and it is taken as background."""
    side: str = ""
    """Which side of the folder's own split it is on; empty: none."""
    recording: str = ""
    """The recording that the labels name; empty: they name none."""
    position_s: float | None = None
    """Where in the recording it is, or seconds since 1970; None: the labels do not say."""
    captured_at: datetime | None = None
    """When the labels say that it was taken."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that cannot be used, or of which something has to be said, and why."""

    path: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """A labelled folder, read. ``class_names`` in the order of the folder's own class numbers."""

    format: str
    class_names: tuple[str, ...]
    pictures: tuple[SourcePicture, ...]
    problems: tuple[Problem, ...]
    """Files that are not used."""
    remarks: tuple[Problem, ...] = ()
    """What was used in a way that is worth a word."""

    @property
    def labelled(self) -> int:
        """How many pictures have labels with something in them."""
        return sum(bool(each.boxes or each.unreadable_labels) for each in self.pictures)


@dataclass(slots=True)
class Claims:
    """Pictures by file, as label files speak of them: a second word on one is joined with the first, and told."""

    pictures: dict[str, SourcePicture] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)
    _kept_out: dict[str, Problem] = field(default_factory=dict)
    _left_out: list[tuple[str, str, str]] = field(default_factory=list)
    _labels: dict[str, str] = field(default_factory=dict)

    def add(self, file: str, picture: SourcePicture, label: str) -> None:
        """``picture`` is what the label file ``label`` says of ``file``."""
        picture = replace(picture, file=shown(file))
        first, first_label = self.pictures.get(file), self._labels.setdefault(file, label)
        if first is None:
            self.pictures[file] = picture
            return
        if None not in {first.stated_size, picture.stated_size} and first.stated_size != picture.stated_size:
            self.keep_out(file, "labels_disagree", f"{first_label} and {label} state different sizes of it")
            return
        self.pictures[file] = _joined(first, picture)
        if self.pictures[file].boxes != first.boxes:
            where = f"{first_label} and {label}" if label != first_label else f"{label}, twice"
            self.remarks.append(Problem(shown(file), "labels_joined", f"has the boxes of {shown(where)}"))

    def keep_out(self, file: str, reason: str, message: str) -> None:
        """``file`` is not used: part of what its labels say would be lost, and the rest be taken for all."""
        self._kept_out.setdefault(file, Problem(shown(file), reason, message))

    def leave_out(self, file: str, kind: str, what: str) -> None:
        """``what`` the labels say of ``file`` is no object. A picture of which they say nothing else is not used: it would
        be taken for background.
        """
        self._left_out.append((file, kind, what))

    def outside(self, reference: str) -> None:
        """The labels name a picture outside the folder: it stays a name, for the ingestor to quarantine."""
        self.pictures[reference] = SourcePicture(reference[:1000], None, file=shown(reference[:200]))

    @property
    def spoken_of(self) -> set[str]:
        return {*self.pictures, *self._kept_out}

    def folder(
        self, format_name: str, class_names: Iterable[str], others: Iterable[Problem] = ()
    ) -> SourceFolder:
        """The folder as it was read; ``others`` are problems found elsewhere."""
        self._tell_what_is_left_out()
        used = [picture for file, picture in self.pictures.items() if file not in self._kept_out]
        return SourceFolder(
            format_name,
            _different(class_names),
            tuple(used),
            (*self.problems, *self._kept_out.values(), *others),
            tuple(self.remarks),
        )

    def _tell_what_is_left_out(self) -> None:
        for file, kind, what in self._left_out:
            picture = self.pictures[file]
            if not picture.boxes and picture.unreadable_labels is None:
                self.keep_out(file, f"only_{kind}", f"all that its labels say of it are {what}")
            elif file not in self._kept_out:
                self.remarks.append(Problem(shown(file), f"{kind}_left_out", f"left out: {what}"))


def _different(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, letter case aside, as it is written first."""
    found: dict[str, str] = {}
    for name in filter(None, names):
        found.setdefault(name.casefold(), name)
    return tuple(found.values())


def _joined(first: SourcePicture, second: SourcePicture) -> SourcePicture:
    more = [box for box in second.boxes if not any(box.is_same(known) for known in first.boxes)]
    return replace(
        first,
        boxes=(*first.boxes, *more),
        unreadable_labels=first.unreadable_labels or second.unreadable_labels,
        why_unreadable=first.why_unreadable or second.why_unreadable,
        stated_size=first.stated_size or second.stated_size,
        recording=first.recording or second.recording,
        captured_at=first.captured_at or second.captured_at,
    )


def from_pixels(
    stem: str,
    path: Path,
    rows: Iterable[tuple[str, tuple[float, float, float, float]]],
    size: tuple[float, float] | None,
) -> SourcePicture:
    """A picture with (class, x1 y1 x2 y2) rows in pixels of ``size``; without one they stay pixels for now."""
    stated = size if size is not None and min(size) > 0 else None
    boxes = tuple(box_from_corners(name, corners, *(stated or (1.0, 1.0))) for name, corners in rows)
    return SourcePicture(stem, path, boxes, stated_size=stated, in_pixels=stated is None)


def box_from_corners(
    class_name: str, corners: tuple[float, float, float, float], width: float, height: float
) -> SourceBox:
    """From x1, y1, x2, y2 in the unit of ``width`` and ``height``."""
    x1, y1, x2, y2 = corners
    return SourceBox(
        class_name,
        (x1 + x2) / 2 / width,
        (y1 + y2) / 2 / height,
        (x2 - x1) / width,
        (y2 - y1) / height,
    )


def envelope(points: Iterable[tuple[float, float]]) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 around ``points``; raises ValueError when they span no area."""
    xs, ys = zip(*points, strict=True)
    corners = min(xs), min(ys), max(xs), max(ys)
    if corners[0] >= corners[2] or corners[1] >= corners[3]:
        raise ValueError("a shape without area")
    return corners


def shown(name: str) -> str:
    """``name`` for people: bytes that are no text, and characters that would steer a terminal, are escaped."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text
    )


def count_sides(pictures: Iterable[SourcePicture]) -> Mapping[str, int]:
    """How many pictures the folder's own split has on each side."""
    counts: dict[str, int] = {}
    for picture in pictures:
        if picture.side:
            counts[picture.side] = counts.get(picture.side, 0) + 1
    return counts
