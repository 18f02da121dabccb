"""From a labelled folder to the messages that an import will send: names, slots, and what the ingestor will refuse.

The checks are the ingestor's own, so that the report can say beforehand what will be quarantined. Nothing is left
out for being bad: it is sent, and quarantined with its reason, so that every picture is accounted for.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from azaion_common.annotations.formats import Problem, SourceBox, SourceFolder, SourcePicture
from azaion_common.annotations.labels import detections_json, parse_detections
from azaion_common.annotations.names import check_name, safe_name
from azaion_common.annotations.packing import MAX_MESSAGE_BYTES
from azaion_common.annotations.pictures import inspect_picture
from azaion_common.catalogue import Catalogue
from azaion_common.errors import PermanentError

UNKNOWN_SLOT = -1
"""No catalogue has it: the ingestor quarantines the picture for an unknown class."""
_ROOM_FOR_FIELDS = 64 << 10

Progress = Callable[[str, int, int], None]
"""Told (stage, done, total) as an import goes on; stages are ``checking`` and ``sending``."""


@dataclass(frozen=True, slots=True)
class PlannedMessage:
    """One picture to send. The bytes are read again when it is its turn."""

    name: str
    path: Path | None
    stem: str
    detections: str
    boxes: tuple[str, ...]
    """Class names of its boxes."""
    digest: str
    problem: Problem | None
    """Why the ingestor will quarantine it."""


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What to send, in order, and what cannot be sent. Equal folders make equal plans and fingerprints."""

    messages: tuple[PlannedMessage, ...]
    unused: tuple[Problem, ...]
    fingerprint: str

    @property
    def sound(self) -> list[PlannedMessage]:
        return [message for message in self.messages if message.problem is None]

    @property
    def quarantined(self) -> tuple[Problem, ...]:
        return tuple(message.problem for message in self.messages if message.problem is not None)


@dataclass(frozen=True, slots=True)
class Planner:
    """How pictures of one folder become messages: class names to the catalogue's slots, checked as the ingestor does."""

    root: Path
    catalogue: Catalogue
    slots: Mapping[str, int]

    def plan(self, source: SourceFolder, *, told: str, on_progress: Progress) -> ImportPlan:
        """Check every picture and lay out its message. ``told`` (role and the like) enters the fingerprint.

        Raises:
            PermanentError: ``nothing_usable``, or ``unknown_class`` when that is why no box would survive.
        """
        named, unused = _named(source, self.root)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            planned = list(
                _counted(pool.map(self._plan_one, *zip(*named, strict=True)), len(named), on_progress)
            )
        messages = tuple(each for each in planned if isinstance(each, PlannedMessage))
        unused += [each for each in planned if isinstance(each, Problem)]
        plan = ImportPlan(messages, tuple(unused), _fingerprint(messages, told))
        _refuse_useless(plan, self.root, self.catalogue)
        return plan

    def _plan_one(self, picture: SourcePicture, name: str) -> PlannedMessage | Problem:
        shown = _shown(picture, self.root)
        try:
            image = picture.path.read_bytes() if picture.path else b""
        except OSError as error:
            return Problem(shown, "picture_unreadable", f"cannot be read: {error.strerror}")
        detections = picture.unreadable_labels or self._detections(picture.boxes)
        if len(image) + len(detections.encode()) + _ROOM_FOR_FIELDS > MAX_MESSAGE_BYTES:
            return Problem(shown, "picture_too_large", f"{len(image)} bytes do not fit into a message")
        refused = self._refusal(name, image, detections)
        return PlannedMessage(
            name=name,
            path=picture.path,
            stem=picture.name,
            detections=detections,
            boxes=tuple(box.class_name for box in picture.boxes),
            digest=hashlib.sha256(image).hexdigest(),
            problem=Problem(shown, refused.code, refused.message) if refused else None,
        )

    def _detections(self, boxes: Iterable[SourceBox]) -> str:
        return detections_json(
            (self.slots.get(box.class_name.casefold(), UNKNOWN_SLOT), box.class_name, box.xywh)
            for box in boxes
        )

    def _refusal(self, name: str, image: bytes, detections: str) -> PermanentError | None:
        try:
            check_name(name)
            inspect_picture(image)
            parse_detections(detections, self.catalogue)
        except PermanentError as error:
            return error
        return None


def slots_by_name(catalogue: Catalogue, condition: str) -> dict[str, int]:
    """Slot of each class name, letter case aside: bare names in ``condition``, ``car (Wint)`` as it says."""
    named = {
        name.casefold(): slot
        for slot, name in enumerate(catalogue.slot_names())
        if _is_taken(catalogue, slot)
    }
    bare = {entry.name.casefold(): catalogue.slot(entry.id, condition) for entry in catalogue.classes}
    return named | bare


def _is_taken(catalogue: Catalogue, slot: int) -> bool:
    try:
        catalogue.decode(slot)
    except PermanentError:
        return False
    return True


def _named(source: SourceFolder, root: Path) -> tuple[list[tuple[SourcePicture, str]], list[Problem]]:
    """A name for each picture: its stem, with its folder where two pictures share one."""
    stems = Counter(safe_name(picture.name) for picture in source.pictures if picture.path)
    named: list[tuple[SourcePicture, str]] = []
    problems = list(source.problems)
    taken: set[str] = set()
    for picture in source.pictures:
        name = _name_of(picture, root, stems)
        if name in taken:
            problems.append(
                Problem(_shown(picture, root), "name_taken", f"another picture is already called {name!r}")
            )
        else:
            taken.add(name)
            named.append((picture, name))
    return named, problems


def _name_of(picture: SourcePicture, root: Path, stems: Mapping[str, int]) -> str:
    if picture.path is None:
        return picture.name
    name = safe_name(picture.name)
    if stems[name] == 1:
        return name
    return safe_name("-".join(picture.path.relative_to(root).with_suffix("").parts))


def _shown(picture: SourcePicture, root: Path) -> str:
    return picture.path.relative_to(root).as_posix() if picture.path else picture.name


def _counted(
    checks: Iterable[PlannedMessage | Problem], total: int, on_progress: Progress
) -> Iterator[PlannedMessage | Problem]:
    for done, check in enumerate(checks, 1):
        yield check
        on_progress("checking", done, total)


def _fingerprint(messages: Iterable[PlannedMessage], told: str) -> str:
    """One digest of everything that the messages will say: the same folder again has the same one."""
    digest = hashlib.sha256(told.encode())
    for message in messages:
        digest.update(
            repr((message.name, message.digest, message.detections)).encode("utf-8", "surrogateescape")
        )
    return digest.hexdigest()


def _refuse_useless(plan: ImportPlan, root: Path, catalogue: Catalogue) -> None:
    """An import that ends well has at least one box that will be used."""
    if any(message.boxes for message in plan.sound):
        return
    reasons = Counter(problem.reason for problem in plan.quarantined)
    common, times = reasons.most_common(1)[0] if reasons else ("no_labels", len(plan.messages))
    if common == "unknown_class":
        names = sorted({name for message in plan.messages for name in message.boxes})[:8]
        raise PermanentError(
            "unknown_class",
            f"catalogue '{catalogue.name}' has none of the classes of {root}: {', '.join(names)}",
            hint="give a catalogue that has them",
        )
    raise PermanentError("nothing_usable", f"no picture of {root} can be used: {times} times {common}")
