"""Imports: a labelled folder onto the annotation stream, one ``created`` message per picture that is new or changed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from azaion_annotations.formats import AUTO, Problem, SourceFolder, read_folder
from azaion_annotations.formats.regular_files import NotReadableError, read_regular
from azaion_annotations.picture_limits import PictureLimits
from azaion_annotations.planning import (
    ImportPlan,
    PlannedMessage,
    Planner,
    PlanRules,
    Progress,
    Standing,
)
from azaion_annotations.reading_stored import read_stored
from azaion_annotations.stored import StoredPictures
from azaion_common.contracts.annotations.packing import MAX_MESSAGE_BYTES
from azaion_common.contracts.annotations.profiles import STATUS_PROPERTY, Action, Role, status_of
from azaion_common.contracts.annotations.wire import (
    STREAM,
    TICKS_PER_SECOND,
    AnnotationMessage,
    encode_annotation,
)
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import PermanentError
from azaion_common.platform.streams import EventLog, Message
from azaion_common.platform.streams.partitions import Partitioning

ROLES: Mapping[str, Role] = {"validator": Role.VALIDATOR, "operator": Role.OPERATOR}
IMPORT_PROPERTY = "AnnotationImport"
"""Says which import a message is of: the same picture in another import is meant again, and no repetition."""
_BATCH_BYTES = 8 << 20
_BATCH_MESSAGES = 64


@dataclass(frozen=True, slots=True)
class ImportRules:
    """What somebody asks of an import."""

    role: str = "validator"
    format_name: str = AUTO
    condition: str = "Norm"
    replace: bool = False
    """Other bytes under a known name take the place of the old ones."""
    restore: bool = False
    """Deleted pictures come back."""
    only_new: bool = False
    """Known pictures stay as they are."""
    limits: PictureLimits = field(default_factory=PictureLimits)
    """As the ingestor has it."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. ``pictures`` = ``new`` + ``changed`` + ``unchanged`` + ``kept`` + ``deleted``; ``quarantined``
    ones are among them.
    """

    format: str
    producer: str
    pictures: int
    boxes: int
    new: int
    changed: int
    unchanged: int
    """In the store as they are in the folder (or refused before, for the same reason)."""
    kept: int
    """Known with other labels, and only new pictures were asked for."""
    deleted: int
    """Deleted from the store before, and left so."""
    appended: int
    """Messages sent: what is new or changed."""
    already_there: int
    """Not sent."""
    background_without_labels: int
    """Pictures of which no label file speaks, taken as showing nothing."""
    own_split: Mapping[str, int]
    """Pictures on each side of the folder's own split, which is not used."""
    unknown_classes: Mapping[str, int]
    """Boxes of each class that the catalogue does not have."""
    boxes_per_class: Mapping[str, int]
    quarantined: tuple[Problem, ...]
    """Sent as they are; the ingestor will quarantine them for the reason given."""
    unused: tuple[Problem, ...]
    """Not sent."""
    remarks: tuple[Problem, ...]
    """Used, in a way that is worth a word."""
    changed_names: tuple[str, ...]
    catalogue: Catalogue
    left_out_per_reason: Mapping[str, int] = field(default_factory=dict)


def _quiet(_stage: str, _done: int, _total: int) -> None:
    """Nobody watches."""


def _own_catalogue(folder: Path, source: SourceFolder) -> Catalogue:
    return Catalogue.from_names(source.class_names, name=folder.absolute().name or "folder")


@dataclass(frozen=True, slots=True)
class PreparedImport:
    """A folder that was read and checked; nothing is sent yet."""

    format: str
    role: Role
    catalogue: Catalogue
    plan: ImportPlan

    @property
    def producer(self) -> str:
        """Follows from the content and the store: the same import again is the same producer, whose messages the log
        knows.
        """
        return f"import-{self.plan.fingerprint[:24]}"


async def import_folder(
    folder: Path,
    log: EventLog,
    catalogue: Catalogue | None = None,
    *,
    rules: ImportRules = ImportRules(),
    on_progress: Progress = _quiet,
) -> ImportReport:
    """Append a message for each picture of ``folder`` that ``log`` does not know as it is; the folder's own classes by
    default. The same import again, also after an interruption, adds nothing twice.

    Raises:
        PermanentError: what ``prepare_import`` raises, before anything is sent.
        TransientError: from the log.
    """
    source = await asyncio.to_thread(read_source, folder, catalogue, rules)
    catalogue = catalogue or _own_catalogue(folder, source)
    stored = await read_stored(log, catalogue)
    prepared = await asyncio.to_thread(
        plan_import, folder, source, catalogue, rules, stored=stored, on_progress=on_progress
    )
    return await send_import(prepared, log, on_progress=on_progress)


def prepare_import(
    folder: Path,
    catalogue: Catalogue | None = None,
    rules: ImportRules = ImportRules(),
    *,
    on_progress: Progress = _quiet,
) -> PreparedImport:
    """Read and check ``folder`` for a store that is empty; its own classes by default. Raises as its two steps."""
    source = read_source(folder, catalogue, rules)
    return plan_import(folder, source, catalogue, rules, on_progress=on_progress)


def read_source(folder: Path, catalogue: Catalogue | None, rules: ImportRules) -> SourceFolder:
    """What ``folder`` holds.

    Raises:
        PermanentError: what ``read_folder`` raises; ``unknown_role``.
    """
    if rules.role not in ROLES:
        raise PermanentError("unknown_role", f"no role {rules.role!r}", hint=f"known: {', '.join(ROLES)}")
    return read_folder(folder, rules.format_name, default_names=catalogue.slot_names() if catalogue else ())


def plan_import(
    folder: Path,
    source: SourceFolder,
    catalogue: Catalogue | None,
    rules: ImportRules,
    *,
    stored: StoredPictures | None = None,
    on_progress: Progress = _quiet,
) -> PreparedImport:
    """Check every picture and compare it with what is ``stored``.

    Raises:
        PermanentError: what ``Planner.plan`` raises; ``unknown_condition``.
    """
    catalogue = catalogue or _own_catalogue(folder, source)
    catalogue.slot(catalogue.classes[0].id, rules.condition)  # raises unknown_condition
    planner = Planner(
        folder,
        catalogue,
        rules.condition,
        stored or StoredPictures(catalogue),
        PlanRules(rules.role == "validator", rules.replace, rules.restore, rules.only_new),
        rules.limits,
    )
    plan = planner.plan(source, told=f"{rules.role} {rules.condition}", on_progress=on_progress)
    return PreparedImport(source.format, ROLES[rules.role], catalogue, plan)


async def send_import(
    prepared: PreparedImport,
    log: EventLog,
    *,
    partitioning: Partitioning | None = None,
    on_progress: Progress = _quiet,
) -> ImportReport:
    """Append what the log does not have yet; raises TransientError from the log."""
    parts = _by_part(prepared.plan.sent, partitioning or Partitioning())
    known = {stream: await log.last_seq(stream, prepared.producer) or 0 for stream in parts}
    already_there, total = sum(known.values()), len(prepared.plan.sent)
    sent = already_there
    on_progress("sending", sent, total)
    for stream, messages in parts.items():
        batches = _batches(list(enumerate(messages, 1))[known[stream] :], prepared)
        while batch := await asyncio.to_thread(next, batches, None):
            await log.append(stream, batch, producer=prepared.producer)
            sent += len(batch)
            on_progress("sending", sent, total)
    return _report(prepared, already_there)


def _by_part(
    messages: Sequence[PlannedMessage], partitioning: Partitioning
) -> Mapping[str, Sequence[PlannedMessage]]:
    """What goes to which part of the annotation stream, in order."""
    parts: dict[str, list[PlannedMessage]] = {}
    for message in messages:
        parts.setdefault(partitioning.stream_for(STREAM, message.name), []).append(message)
    return parts


def _batches(
    numbered: Sequence[tuple[int, PlannedMessage]], prepared: PreparedImport
) -> Iterator[list[Message]]:
    """Messages in batches that are bounded in number and bytes, made as they are asked for."""
    batch: list[Message] = []
    for seq, planned in numbered:
        batch.append(_message(planned, seq, prepared))
        if len(batch) >= _BATCH_MESSAGES or sum(len(message.body) for message in batch) >= _BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _message(planned: PlannedMessage, seq: int, prepared: PreparedImport) -> Message:
    origin = planned.origin
    annotation = AnnotationMessage(
        action=Action.CREATED,
        name=planned.name,
        created_at=origin.captured_at or _modified_at(planned.path),
        media_name=origin.media_name,
        media_time_ticks=_ticks(origin.media_time_s),
        image_extension=planned.path.suffix if planned.path else "",
        detections=planned.detections,
        image=_image(planned),
        role=prepared.role,
    )
    properties: dict[str, str | int] = {
        STATUS_PROPERTY: status_of(Action.CREATED),
        IMPORT_PROPERTY: prepared.producer,
    }
    return Message(encode_annotation(annotation), properties, seq)


def _image(planned: PlannedMessage) -> bytes:
    try:
        return read_regular(planned.path, MAX_MESSAGE_BYTES) if planned.path else b""
    except NotReadableError as error:
        raise PermanentError(
            "folder_changed",
            f"{planned.path} {error}, which it did not when it was checked",
            hint="import again: what was sent is not sent twice",
        ) from error


def _ticks(time_s: float | None) -> int | None:
    return None if time_s is None else round(time_s * 1000) * (TICKS_PER_SECOND // 1000)


def _modified_at(path: Path | None) -> datetime:
    """The picture's own date, so that the same folder makes the same message whenever it is imported."""
    return datetime.fromtimestamp(path.stat().st_mtime if path else 0, UTC)


def _report(prepared: PreparedImport, already_there: int) -> ImportReport:
    plan, catalogue = prepared.plan, prepared.catalogue
    per_class = Counter(name for message in plan.sound for name in message.boxes)
    every_class = Counter(name for message in plan.messages for name in message.boxes)
    standings = Counter(message.standing for message in plan.messages)
    appended = len(plan.sent) - already_there
    return ImportReport(
        format=prepared.format,
        producer=prepared.producer,
        pictures=len(plan.messages),
        boxes=per_class.total(),
        new=standings[Standing.NEW],
        changed=standings[Standing.CHANGED],
        unchanged=standings[Standing.UNCHANGED],
        kept=standings[Standing.KEPT],
        deleted=standings[Standing.DELETED],
        appended=appended,
        already_there=len(plan.messages) - appended,
        background_without_labels=sum(not message.labelled for message in plan.messages),
        own_split=plan.own_split,
        unknown_classes={name: n for name, n in every_class.items() if catalogue.find(name) is None},
        boxes_per_class=dict(per_class.most_common()),
        quarantined=plan.quarantined,
        unused=plan.unused,
        remarks=plan.remarks,
        changed_names=tuple(
            message.name for message in plan.messages if message.standing is Standing.CHANGED
        ),
        catalogue=catalogue,
        left_out_per_reason=dict(Counter(problem.reason for problem in plan.unused)),
    )
