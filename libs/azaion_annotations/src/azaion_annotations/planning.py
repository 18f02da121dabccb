"""From a labelled folder to the messages that an import will send: names, slots, and what the ingestor will refuse.

The checks are the ingestor's own, so that the report can say beforehand what will be quarantined. Nothing is left
out for being bad: it is sent, and quarantined with its reason, so that every picture is accounted for.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from azaion_annotations.formats import Problem, SourceBox, SourceFolder, SourcePicture
from azaion_annotations.formats.regular_files import NotReadableError, read_regular
from azaion_annotations.formats.source import box_from_corners, count_sides
from azaion_annotations.labels import detections_json, parse_detections
from azaion_annotations.naming import Naming
from azaion_annotations.origins import FileOrigin, origin_of, source_of
from azaion_annotations.picture_limits import PictureLimits
from azaion_annotations.pictures import PictureFacts, inspect_picture, look
from azaion_annotations.stored import StoredPictures
from azaion_annotations.upright import (
    Frame,
    SizeDiffersError,
    date_taken,
    fit_to_picture,
    frame_told,
)
from azaion_common.contracts.annotations.names import check_name, name_for_stem
from azaion_common.contracts.annotations.packing import MAX_MESSAGE_BYTES
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import Box
from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.settings import processors

UNKNOWN_SLOT = -1
"""No catalogue has it: the class is known by its name, once the catalogue has that."""
_ROOM_FOR_FIELDS = 64 << 10
_SAME_BOX = 1e-6
"""Coordinates that a format can tell apart only by its rounding are the same."""

Progress = Callable[[str, int, int], None]
"""Told (stage, done, total) as an import goes on; stages are ``checking`` and ``sending``."""


class Standing(StrEnum):
    """How a picture of the folder compares with the store."""

    NEW = "new"
    CHANGED = "changed"
    """Known, with other labels (or other bytes, where these replace the old ones)."""
    UNCHANGED = "unchanged"
    KEPT = "kept"
    """Known with other labels, and only new pictures were asked for."""
    DELETED = "deleted"
    """Was deleted from the store, and stays so unless it is asked for."""


@dataclass(frozen=True, slots=True)
class PlannedMessage:
    """One picture of the folder. The bytes are read again when it is its turn to be sent."""

    name: str
    path: Path | None
    detections: str
    boxes: tuple[str, ...]
    """Class names of its boxes."""
    digest: str
    problem: Problem | None
    """Why the ingestor will quarantine it."""
    origin: FileOrigin = field(default_factory=FileOrigin)
    standing: Standing = Standing.NEW
    labelled: bool = True

    @property
    def is_sent(self) -> bool:
        return self.standing in {Standing.NEW, Standing.CHANGED}


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """Every picture of a folder, in order, and what is not used. Equal folders make equal plans and fingerprints."""

    messages: tuple[PlannedMessage, ...]
    unused: tuple[Problem, ...]
    fingerprint: str
    remarks: tuple[Problem, ...] = ()
    own_split: Mapping[str, int] = field(default_factory=dict)
    """Pictures on each side of the folder's own split, which is not used."""

    @property
    def sent(self) -> list[PlannedMessage]:
        return [message for message in self.messages if message.is_sent]

    @property
    def sound(self) -> list[PlannedMessage]:
        return [message for message in self.messages if message.problem is None]

    @property
    def quarantined(self) -> tuple[Problem, ...]:
        return tuple(message.problem for message in self.messages if message.problem is not None)


@dataclass(frozen=True, slots=True)
class PlanRules:
    """What somebody asked of an import."""

    validated: bool = True
    replace: bool = False
    """Other bytes under a known name take the place of the old ones."""
    restore: bool = False
    """Deleted pictures come back."""
    only_new: bool = False
    """Known pictures stay as they are."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """A picture of the folder that was looked at, before it has a name."""

    source: SourcePicture
    detections: str
    boxes: tuple[Box, ...]
    """As the ingestor will read them; empty when it will refuse them."""
    digest: str
    refused: PermanentError | None
    origin: FileOrigin
    remarks: tuple[Problem, ...]
    frame: Frame | None
    """What its boxes were drawn in, where EXIF turns or mirrors it and its labels tell."""
    waits: bool
    """Its boxes are of the frame that other pictures of the folder tell."""


@dataclass(frozen=True, slots=True)
class Planner:
    """How pictures of one folder become messages: class names to the catalogue's slots, checked as the ingestor does."""

    root: Path
    catalogue: Catalogue
    condition: str
    stored: StoredPictures
    rules: PlanRules = field(default_factory=PlanRules)
    limits: PictureLimits = field(default_factory=PictureLimits)

    def plan(self, source: SourceFolder, *, told: str, on_progress: Progress) -> ImportPlan:
        """Check every picture and lay out its message. ``told`` (role and the like) enters the fingerprint.

        Raises:
            PermanentError: ``nothing_usable``, or ``unknown_class`` when that is why no box would survive.
        """
        copied = {source_of(picture.name) for picture in source.pictures} - {None}
        with ThreadPoolExecutor(processors()) as pool:
            looks = pool.map(lambda picture: self._check(picture, copied), source.pictures)
            checked = list(_counted(looks, len(source.pictures), on_progress))
            checked = self._alike(source.pictures, checked, copied)
        problems = [each for each in checked if isinstance(each, Problem)]
        sound = [each for each in checked if isinstance(each, _Checked)]
        messages, doubles, remarks = self._name(sound)
        unused = (*source.problems, *problems, *doubles)
        plan = ImportPlan(
            messages,
            unused,
            _fingerprint(messages, f"{told} {sorted(self.stored.ends.items())}"),
            (*source.remarks, *remarks),
            count_sides(source.pictures),
        )
        _refuse_useless(plan, self.root, self.catalogue)
        return plan

    def _alike(
        self,
        pictures: Iterable[SourcePicture],
        checked: Sequence[_Checked | Problem],
        copied: set[str | None],
    ) -> list[_Checked | Problem]:
        """Boxes whose labels do not tell their frame are of the one that all labels of the folder which do tell."""
        told = {each.frame for each in checked if isinstance(each, _Checked) and each.frame}
        if len(told) != 1:
            return list(checked)
        (shown,) = told
        return [
            self._check(picture, copied, shown) if isinstance(each, _Checked) and each.waits else each
            for picture, each in zip(pictures, checked, strict=True)
        ]

    def _check(
        self, picture: SourcePicture, copied: set[str | None], shown: Frame | None = None
    ) -> _Checked | Problem:
        """Everything that can be said of one picture by itself; in a thread. ``shown`` is the frame that other pictures
        of the folder tell.
        """
        try:
            image = read_regular(picture.path, MAX_MESSAGE_BYTES) if picture.path else b""
        except NotReadableError as error:
            return Problem(picture.file, "picture_unreadable", str(error))
        facts, refused, orientation, taken = self._look(picture, image)
        try:
            boxes = _fit(picture, facts, orientation, shown or Frame.UPRIGHT)
        except SizeDiffersError as error:
            return Problem(picture.file, "size_differs", f"{error}: the boxes would lie beside the objects")
        with_area = [box for box in boxes if box.has_area]
        if boxes and not with_area:
            why = f"none of its {len(boxes)} boxes has an area: it would be taken for background"
            return Problem(picture.file, "boxes_without_area", why)
        kept = _each_once(with_area)
        frame = _frame(picture, facts, orientation)
        told = _turned_by_exif(picture, shown) if kept and orientation != 1 and frame is None else ()
        detections = picture.unreadable_labels or self._detections(kept)
        if len(image) + len(detections.encode()) + _ROOM_FOR_FIELDS > MAX_MESSAGE_BYTES:
            return Problem(picture.file, "picture_too_large", f"{len(image)} bytes do not fit into a message")
        parsed, error_in_labels = self._parse(detections)
        if error_in_labels and picture.why_unreadable:
            why = f"its labels cannot be read: {picture.why_unreadable}"
            error_in_labels = PermanentError(error_in_labels.code, why)
        origin = origin_of(
            picture.name,
            recording=picture.recording,
            position_s=picture.position_s,
            captured_at=picture.captured_at or taken,
        )
        if picture.name in copied and (origin.media_time_s is None or not origin.media_name):
            origin = FileOrigin(picture.name, 0.0, origin.captured_at)  # with its copies, which say the same
        return _Checked(
            replace(picture, boxes=kept),
            detections,
            parsed,
            hashlib.sha256(image).hexdigest(),
            refused or error_in_labels,
            origin,
            (*_left_out(picture, len(boxes) - len(with_area), len(with_area) - len(kept)), *told),
            frame,
            waits=bool(told) and picture.stated_size is not None,
        )

    def _look(
        self, picture: SourcePicture, image: bytes
    ) -> tuple[PictureFacts | None, PermanentError | None, int, datetime | None]:
        """What the picture is, or why it is refused; how it was held, and when it was taken."""
        try:
            if picture.path is None:
                check_name(picture.name)
            facts = inspect_picture(image, self.limits)
        except PermanentError as error:
            return None, error, 1, None
        return facts, None, look(image, self.limits).orientation, date_taken(image)

    def _detections(self, boxes: Iterable[SourceBox]) -> str:
        return detections_json((*self._slot(box.class_name), box.xywh) for box in boxes)

    def _slot(self, class_name: str) -> tuple[int, str]:
        """Slot and name to send: bare names stand in the import's condition, ``car (Wint)`` as it says."""
        found = self.catalogue.find(class_name)
        if found is None:
            is_said = self.catalogue.names_condition(class_name)
            as_it_is = is_said or self.condition == self.catalogue.plain_condition
            return UNKNOWN_SLOT, class_name if as_it_is else f"{class_name} ({self.condition})"
        class_id, condition = found
        return self.catalogue.slot(class_id, condition or self.condition), class_name

    def _parse(self, detections: str) -> tuple[tuple[Box, ...], PermanentError | None]:
        try:
            return parse_detections(detections, self.catalogue), None
        except PermanentError as error:
            return (), error

    def _name(
        self, checked: Sequence[_Checked]
    ) -> tuple[tuple[PlannedMessage, ...], list[Problem], list[Problem]]:
        """Messages in the order of the folder, second copies of a picture, and what is worth a word."""
        naming, first = Naming(self.stored, replace=self.rules.replace), dict[str, _Checked]()
        planned: dict[int, PlannedMessage] = {}
        doubles: list[Problem] = []
        remarks = [remark for each in checked for remark in each.remarks]
        # Those with labels first: of two copies of a picture the one without would be background.
        for index in sorted(range(len(checked)), key=lambda index: not checked[index].source.labelled):
            each = checked[index]
            try:
                name = naming.name(each.source.name, each.digest) if each.source.path else each.source.name
            except PermanentError as error:
                doubles.append(Problem(each.source.file, error.code, error.message))
                continue
            if name in first:
                doubles.append(_double(each, first[name]))
                continue
            first[name] = each
            planned[index] = self._planned(name, each)
            if planned[index].is_sent and each.source.path and name != name_for_stem(each.source.name):
                remarks.append(
                    Problem(
                        each.source.file, "name_taken", f"another picture has its name: it is called {name}"
                    )
                )
        return tuple(planned[index] for index in sorted(planned)), doubles, remarks

    def _planned(self, name: str, checked: _Checked) -> PlannedMessage:
        refused, source = checked.refused, checked.source
        return PlannedMessage(
            name=name,
            path=source.path,
            detections=checked.detections,
            boxes=tuple(box.class_name for box in source.boxes),
            digest=checked.digest,
            problem=Problem(source.file, refused.code, refused.message) if refused else None,
            origin=checked.origin,
            standing=self._standing(name, checked),
            labelled=source.labelled,
        )

    def _standing(self, name: str, checked: _Checked) -> Standing:
        known = self.stored.pictures.get(name)
        if checked.refused is not None and self.stored.refused.get(name) == checked.refused.code:
            return Standing.UNCHANGED
        if known is None:
            return Standing.NEW
        if known.deleted:
            return Standing.CHANGED if self.rules.restore else Standing.DELETED
        if known.sha256 == checked.digest and _same_boxes(known.boxes, checked.boxes):
            settled = known.validated or not self.rules.validated
            return Standing.UNCHANGED if settled else Standing.CHANGED
        return Standing.KEPT if self.rules.only_new else Standing.CHANGED


def _fit(
    picture: SourcePicture, facts: PictureFacts | None, orientation: int, otherwise: Frame
) -> tuple[SourceBox, ...]:
    """The boxes relative to the upright picture; raises SizeDiffersError."""
    if facts is None:
        return picture.boxes
    size = facts.width, facts.height
    if picture.in_pixels:
        return tuple(_relative(box, size) for box in picture.boxes)
    if picture.stated_size is None:
        return picture.boxes
    return fit_to_picture(picture.boxes, picture.stated_size, size, orientation, otherwise)


def _frame(picture: SourcePicture, facts: PictureFacts | None, orientation: int) -> Frame | None:
    if facts is None or orientation == 1:
        return None
    return frame_told(picture.stated_size, (facts.width, facts.height), orientation)


def _relative(box: SourceBox, size: tuple[int, int]) -> SourceBox:
    half_w, half_h = box.w / 2, box.h / 2
    corners = box.cx - half_w, box.cy - half_h, box.cx + half_w, box.cy + half_h
    return box_from_corners(box.class_name, corners, *size)


def _each_once(boxes: Iterable[SourceBox]) -> tuple[SourceBox, ...]:
    """Boxes without those that say the same of the same place; a box that only lies close is another object."""
    return tuple({box.in_a_label_file: box for box in boxes}.values())


def _left_out(picture: SourcePicture, without_area: int, doubled: int) -> Iterator[Problem]:
    if without_area:
        yield Problem(picture.file, "boxes_without_area", f"{without_area} boxes without area are left out")
    if doubled:
        why = f"a box that is there twice is taken once: {doubled} are left out"
        yield Problem(picture.file, "boxes_doubled", why)


def _turned_by_exif(picture: SourcePicture, shown: Frame | None) -> tuple[Problem]:
    taken = f"{shown}, as others of the folder say" if shown else Frame.UPRIGHT
    why = f"its EXIF turns or mirrors it, and its labels do not say which way they were drawn: taken for the {taken}"
    return (Problem(picture.file, "turned_by_exif", why),)


def _double(second: _Checked, first: _Checked) -> Problem:
    """What is said of the second file of one picture."""
    if not second.source.labelled or _same_boxes(second.boxes, first.boxes):
        return Problem(second.source.file, "same_picture", f"the same picture as {first.source.file}")
    why = f"the same picture as {first.source.file}, with other labels: these are left out"
    return Problem(second.source.file, "labels_disagree", why)


def _same_boxes(some: Sequence[Box], others: Sequence[Box]) -> bool:
    """The same objects, in any order."""
    if len(some) != len(others):
        return False
    return all(map(_same_box, sorted(some, key=_place), sorted(others, key=_place)))


def _place(box: Box) -> tuple[int, str, float, float, float, float]:
    cx, cy, w, h = (round(value, 5) for value in (box.cx, box.cy, box.w, box.h))
    return box.class_id, box.condition, cx, cy, w, h


def _same_box(a: Box, b: Box) -> bool:
    numbers = ((a.cx, b.cx), (a.cy, b.cy), (a.w, b.w), (a.h, b.h))
    same_class = (a.class_id, a.condition) == (b.class_id, b.condition)
    return same_class and all(abs(one - other) <= _SAME_BOX for one, other in numbers)


def _counted(
    checks: Iterable[_Checked | Problem], total: int, on_progress: Progress
) -> Iterator[_Checked | Problem]:
    for done, check in enumerate(checks, 1):
        yield check
        on_progress("checking", done, total)


def _fingerprint(messages: Iterable[PlannedMessage], told: str) -> str:
    """One digest of everything that the messages will say: the same folder on the same store again has the same one."""
    digest = hashlib.sha256(told.encode())
    for message in messages:
        if message.is_sent:
            told_of = message.name, message.digest, message.detections
            digest.update(repr(told_of).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _refuse_useless(plan: ImportPlan, root: Path, catalogue: Catalogue) -> None:
    """An import that ends well has at least one box that will be used."""
    if any(message.boxes for message in plan.sound):
        return
    reasons = Counter(problem.reason for problem in (*plan.quarantined, *plan.unused))
    common, times = reasons.most_common(1)[0] if reasons else ("no_labels", len(plan.messages))
    if "unknown_class" in {problem.reason for problem in plan.quarantined}:
        names = sorted({name for message in plan.messages for name in message.boxes})[:8]
        raise PermanentError(
            "unknown_class",
            f"catalogue '{catalogue.name}' has none of the classes of {root}: {', '.join(names)}",
            hint="to work with the folder's own classes: --catalogue own; or name a catalogue file that has them",
        )
    raise PermanentError("nothing_usable", f"no picture of {root} can be used: {times} times {common}")
