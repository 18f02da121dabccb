"""Imports: a labelled folder onto the annotation stream, one ``created`` message per picture."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from azaion_common.annotations.formats import AUTO, Problem, SourceFolder, read_folder
from azaion_common.annotations.names import recording_of
from azaion_common.annotations.planning import ImportPlan, PlannedMessage, Planner, Progress, slots_by_name
from azaion_common.annotations.profiles import STATUS_PROPERTY, Action, Role, status_of
from azaion_common.annotations.wire import STREAM, AnnotationMessage, encode_annotation
from azaion_common.catalogue import Catalogue
from azaion_common.errors import PermanentError
from azaion_common.streams import EventLog, Message

ROLES: Mapping[str, Role] = {"validator": Role.VALIDATOR, "operator": Role.OPERATOR}
_BATCH_BYTES = 8 << 20
_BATCH_MESSAGES = 64


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. ``pictures`` = ``appended`` + ``already_there``; ``quarantined`` ones are among them."""

    format: str
    producer: str
    pictures: int
    boxes: int
    appended: int
    already_there: int
    boxes_per_class: Mapping[str, int]
    quarantined: tuple[Problem, ...]
    """Sent as they are; the ingestor will quarantine them for the reason given."""
    unused: tuple[Problem, ...]
    """Not sent."""
    catalogue: Catalogue


def folder_catalogue(folder: Path, *, format_name: str = AUTO) -> Catalogue:
    """A catalogue of the folder's own class names; raises as ``read_folder`` and ``Catalogue.from_names``."""
    return _own_catalogue(folder, read_folder(folder, format_name))


def _own_catalogue(folder: Path, source: SourceFolder) -> Catalogue:
    return Catalogue.from_names(source.class_names, name=folder.absolute().name or "folder")


async def import_folder(
    folder: Path,
    log: EventLog,
    catalogue: Catalogue | None = None,
    *,
    role: str = "validator",
    format: str = AUTO,  # noqa: A002 - what the command line calls it
    condition: str = "Norm",
    on_progress: Progress = lambda stage, done, total: None,
) -> ImportReport:
    """Append one message per picture of ``folder`` to ``azaion-annotations``; the folder's own classes by default.

    The producer's name follows from the content and each picture has its number: the same import again, also after
    an interruption, goes on where it stopped and adds nothing twice.

    Raises:
        PermanentError: what ``read_folder`` and ``Planner.plan`` raise, before anything is sent; ``unknown_role``,
            ``unknown_condition``.
        TransientError: from the log.
    """
    if role not in ROLES:
        raise PermanentError("unknown_role", f"no role {role!r}", hint=f"known: {', '.join(ROLES)}")
    default_names = catalogue.slot_names() if catalogue else ()
    source = await asyncio.to_thread(read_folder, folder, format, default_names=default_names)
    catalogue = catalogue or _own_catalogue(folder, source)
    planner = Planner(folder, catalogue, slots_by_name(catalogue, condition))
    told = f"{role} {condition}"
    plan = await asyncio.to_thread(planner.plan, source, told=told, on_progress=on_progress)
    producer = f"import-{plan.fingerprint[:24]}"
    already_there = await log.last_seq(STREAM, producer) or 0
    on_progress("sending", already_there, len(plan.messages))
    waiting = list(enumerate(plan.messages, 1))[already_there:]
    batches = _batches(waiting, ROLES[role])
    while batch := await asyncio.to_thread(next, batches, None):
        await log.append(STREAM, batch, producer=producer)
        on_progress("sending", batch[-1].seq or 0, len(plan.messages))
    return _report(source.format, producer, plan, already_there, catalogue)


def _batches(numbered: Sequence[tuple[int, PlannedMessage]], role: Role) -> Iterator[list[Message]]:
    """Messages in batches that are bounded in number and bytes, made as they are asked for."""
    batch: list[Message] = []
    for seq, planned in numbered:
        batch.append(_message(planned, seq, role))
        if len(batch) >= _BATCH_MESSAGES or sum(len(message.body) for message in batch) >= _BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _message(planned: PlannedMessage, seq: int, role: Role) -> Message:
    media_name, _ = recording_of(planned.stem)
    annotation = AnnotationMessage(
        action=Action.CREATED,
        name=planned.name,
        created_at=_modified_at(planned.path),
        media_name=media_name[:500],
        media_time_ticks=None,  # a file number is an order, not a time: still pictures are numbered too
        image_extension=planned.path.suffix if planned.path else "",
        detections=planned.detections,
        image=planned.path.read_bytes() if planned.path else b"",
        role=role,
    )
    return Message(encode_annotation(annotation), {STATUS_PROPERTY: status_of(Action.CREATED)}, seq)


def _modified_at(path: Path | None) -> datetime:
    """The picture's own date, so that the same folder makes the same message whenever it is imported."""
    return datetime.fromtimestamp(path.stat().st_mtime if path else 0, UTC)


def _report(
    format_name: str, producer: str, plan: ImportPlan, already_there: int, catalogue: Catalogue
) -> ImportReport:
    per_class = Counter(name for message in plan.sound for name in message.boxes)
    return ImportReport(
        format=format_name,
        producer=producer,
        pictures=len(plan.messages),
        boxes=per_class.total(),
        appended=len(plan.messages) - already_there,
        already_there=already_there,
        boxes_per_class=dict(per_class.most_common()),
        quarantined=plan.quarantined,
        unused=plan.unused,
        catalogue=catalogue,
    )
