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
from azaion_common.annotations.wire import STREAM, TICKS_PER_SECOND, AnnotationMessage, encode_annotation
from azaion_common.catalogue import Catalogue
from azaion_common.errors import PermanentError
from azaion_common.streams import EventLog, Message
from azaion_common.streams.partitions import Partitioning

ROLES: Mapping[str, Role] = {"validator": Role.VALIDATOR, "operator": Role.OPERATOR}
IMPORT_PROPERTY = "AnnotationImport"
"""Says which import a message is of: the same picture in another import is meant again, and no repetition."""
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
        """Follows from the content: the same import again is the same producer, whose messages the log knows."""
        return f"import-{self.plan.fingerprint[:24]}"


async def import_folder(
    folder: Path,
    log: EventLog,
    catalogue: Catalogue | None = None,
    *,
    role: str = "validator",
    format: str = AUTO,  # noqa: A002 - what the command line calls it
    condition: str = "Norm",
    on_progress: Progress = _quiet,
) -> ImportReport:
    """Append one message per picture of ``folder`` to ``azaion-annotations``; the folder's own classes by default.

    The same import again, also after an interruption, goes on where it stopped and adds nothing twice.

    Raises:
        PermanentError: what ``prepare_import`` raises, before anything is sent.
        TransientError: from the log.
    """
    prepared = await asyncio.to_thread(
        prepare_import,
        folder,
        catalogue,
        role=role,
        format_name=format,
        condition=condition,
        on_progress=on_progress,
    )
    return await send_import(prepared, log, on_progress=on_progress)


def prepare_import(
    folder: Path,
    catalogue: Catalogue | None = None,
    *,
    role: str = "validator",
    format_name: str = AUTO,
    condition: str = "Norm",
    on_progress: Progress = _quiet,
) -> PreparedImport:
    """Read and check ``folder``.

    Raises:
        PermanentError: what ``read_folder`` and ``Planner.plan`` raise; ``unknown_role``, ``unknown_condition``.
    """
    if role not in ROLES:
        raise PermanentError("unknown_role", f"no role {role!r}", hint=f"known: {', '.join(ROLES)}")
    source = read_folder(folder, format_name, default_names=catalogue.slot_names() if catalogue else ())
    catalogue = catalogue or _own_catalogue(folder, source)
    planner = Planner(folder, catalogue, slots_by_name(catalogue, condition))
    plan = planner.plan(source, told=f"{role} {condition}", on_progress=on_progress)
    return PreparedImport(source.format, ROLES[role], catalogue, plan)


async def send_import(
    prepared: PreparedImport,
    log: EventLog,
    *,
    partitioning: Partitioning | None = None,
    on_progress: Progress = _quiet,
) -> ImportReport:
    """Append what the log does not have yet; raises TransientError from the log."""
    parts = _by_part(prepared.plan.messages, partitioning or Partitioning())
    known = {stream: await log.last_seq(stream, prepared.producer) or 0 for stream in parts}
    already_there, total = sum(known.values()), len(prepared.plan.messages)
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
    media_name, index = recording_of(planned.stem)
    annotation = AnnotationMessage(
        action=Action.CREATED,
        name=planned.name,
        created_at=_modified_at(planned.path),
        media_name=media_name[:500],
        media_time_ticks=_media_time_ticks(media_name, index),
        image_extension=planned.path.suffix if planned.path else "",
        detections=planned.detections,
        image=planned.path.read_bytes() if planned.path else b"",
        role=prepared.role,
    )
    properties: dict[str, str | int] = {
        STATUS_PROPERTY: status_of(Action.CREATED),
        IMPORT_PROPERTY: prepared.producer,
    }
    return Message(encode_annotation(annotation), properties, seq)


def _media_time_ticks(media_name: str, index: int | None) -> int | None:
    """One second per frame of a numbered recording (``DJI_0005-0018``). A single running number (``IMG_0018``) is an
    order and no time: still pictures of different scenes have one too.
    """
    numbered = any(character.isdigit() for character in media_name)
    return index * TICKS_PER_SECOND if numbered and index is not None else None


def _modified_at(path: Path | None) -> datetime:
    """The picture's own date, so that the same folder makes the same message whenever it is imported."""
    return datetime.fromtimestamp(path.stat().st_mtime if path else 0, UTC)


def _report(prepared: PreparedImport, already_there: int) -> ImportReport:
    plan = prepared.plan
    per_class = Counter(name for message in plan.sound for name in message.boxes)
    return ImportReport(
        format=prepared.format,
        producer=prepared.producer,
        pictures=len(plan.messages),
        boxes=per_class.total(),
        appended=len(plan.messages) - already_there,
        already_there=already_there,
        boxes_per_class=dict(per_class.most_common()),
        quarantined=plan.quarantined,
        unused=plan.unused,
        catalogue=prepared.catalogue,
    )
