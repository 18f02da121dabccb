"""What the ledger knows of pictures: written by the handlers, read when a dataset is formed."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import BatchAugmented, ImageSaved, Variant
from azaion_trainer.dataset import ReadyPicture
from azaion_trainer.groups import GroupingRules, Picture
from azaion_trainer.schedule import Situation
from azaion_trainer.split import Placed, SplitPolicy
from azaion_trainer.tables import PICTURES, PLACED, POLICY, POSITIONS, VARIANTS


@dataclass(frozen=True, slots=True)
class Stock:
    """Everything that forming a dataset needs, read in one transaction."""

    ready: tuple[ReadyPicture, ...]
    waiting: tuple[str, ...]
    """Validated pictures whose current revision is not augmented."""
    known: tuple[Placed, ...]
    policy: SplitPolicy | None
    stream_offsets: dict[str, int]


def save_picture(connection: Connection, event: ImageSaved, catalogue: Catalogue, changed_at: float) -> None:
    """Insert or replace; a deleted picture that is saved again is back."""
    objects = Counter(catalogue.slot(box.class_id, box.condition) for box in event.boxes)
    time_s = event.media_time_s
    values = {
        "revision": event.revision,
        "validated": event.validated,
        "deleted": False,
        "sha256": event.image.sha256,
        "dhash": event.dhash,
        "media_name": event.media_name,
        "media_time_s": time_s if time_s is not None and math.isfinite(time_s) else None,
        "objects": {str(slot): count for slot, count in sorted(objects.items())},
        "changed_at": changed_at,
    }
    _upsert(connection, PICTURES, {"name": event.name}, values)


def validate_picture(connection: Connection, name: str, changed_at: float) -> None:
    change = PICTURES.update().where(PICTURES.c.name == name)
    connection.execute(change.values(validated=True, changed_at=changed_at))


def delete_picture(connection: Connection, name: str) -> None:
    connection.execute(PICTURES.update().where(PICTURES.c.name == name).values(deleted=True))


def save_variants(connection: Connection, event: BatchAugmented) -> None:
    values = {
        "revision": event.revision,
        "source_sha256": event.source_sha256,
        "files": [variant.model_dump(mode="json") for variant in event.variants],
    }
    _upsert(connection, VARIANTS, {"name": event.name}, values)


def note_position(connection: Connection, stream: str, next_offset: int) -> None:
    _upsert(connection, POSITIONS, {"stream": stream}, {"next_offset": next_offset})


def read_stock(connection: Connection) -> Stock:
    rows = connection.execute(_validated().order_by(PICTURES.c.name)).all()
    policy = connection.execute(sa.select(POLICY)).first()
    positions = connection.execute(sa.select(POSITIONS.c.stream, POSITIONS.c.next_offset)).all()
    return Stock(
        ready=tuple(_ready(row) for row in rows if row.files is not None),
        waiting=tuple(row.name for row in rows if row.files is None),
        known=tuple(_placed(row) for row in connection.execute(sa.select(PLACED))),
        policy=_policy(policy) if policy else None,
        stream_offsets={row.stream: row.next_offset for row in positions},
    )


def read_situation(connection: Connection, *, now: float, patience_s: float, busy: bool) -> Situation:
    """``waiting`` counts only pictures that changed within ``patience_s``: augmentation may have failed for good."""
    rows = _validated().where(PICTURES.c.used_revision.is_distinct_from(PICTURES.c.revision)).subquery()
    waits = rows.c.files.is_(None) & (rows.c.changed_at > now - patience_s)
    query = sa.select(
        sa.func.count(), sa.func.count().filter(waits), sa.func.coalesce(sa.func.max(rows.c.changed_at), now)
    ).select_from(rows)
    new, waiting, newest = connection.execute(query).one()
    return Situation(new=new, waiting=waiting, quiet_for_s=now - newest, busy=busy)


def content_digest(connection: Connection) -> str:
    """SHA-256 over names and revisions: the same as long as there is nothing new to train on."""
    rows = connection.execute(_validated().order_by(PICTURES.c.name))
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row.name}\n{row.revision}\n".encode())
    return digest.hexdigest()


def freeze_sides(connection: Connection, policy: SplitPolicy, placed: Iterable[Placed]) -> None:
    """Keep the policy and the sides for ever, and note what the pictures' dataset has."""
    if connection.execute(sa.select(POLICY.c.id)).first() is None:
        rules = policy.rules
        values = {"split_key": policy.key.hex(), "gap_s": rules.gap_s, "hash_distance": rules.hash_distance}
        connection.execute(POLICY.insert().values(id=1, **values))
    known = {(row.name, row.sha256) for row in connection.execute(sa.select(PLACED.c.name, PLACED.c.sha256))}
    new = [_placed_row(each) for each in placed if (each.picture.name, each.picture.sha256) not in known]
    if new:
        connection.execute(PLACED.insert(), new)


def mark_used(connection: Connection, revisions: Iterable[tuple[str, int]]) -> None:
    """Note which revisions the newest dataset has (or had to leave out): they are not new any more."""
    change = (
        PICTURES.update()
        .where(PICTURES.c.name == sa.bindparam("picture"))
        .values(used_revision=sa.bindparam("used"))
    )
    if rows := [{"picture": name, "used": revision} for name, revision in revisions]:
        connection.execute(change, rows)


def _validated() -> sa.Select[Any]:
    """Pictures that count, with their variants where these are of the current revision."""
    current = sa.and_(
        VARIANTS.c.name == PICTURES.c.name,
        VARIANTS.c.revision == PICTURES.c.revision,
        VARIANTS.c.source_sha256 == PICTURES.c.sha256,
    )
    joined = PICTURES.outerjoin(VARIANTS, current)
    counts = PICTURES.c.validated & ~PICTURES.c.deleted
    return sa.select(PICTURES, VARIANTS.c.files).select_from(joined).where(counts)


def _ready(row: Row[Any]) -> ReadyPicture:
    return ReadyPicture(
        picture=_own_recording(_picture(row)),
        revision=row.revision,
        objects={int(slot): count for slot, count in row.objects.items()},
        variants=tuple(Variant.model_validate(each) for each in row.files),
    )


def _picture(row: Row[Any]) -> Picture:
    return Picture(row.name, row.sha256, int(row.dhash, 16), row.media_name, row.media_time_s)


def _own_recording(picture: Picture) -> Picture:
    """A picture of no known moment is the beginning of a recording of its own, whose other moments are its copies: an
    import says of ``roof_jpg.rf.0a1b`` that it is of ``roof``.
    """
    if picture.media_name and picture.media_time_s is not None:
        return picture
    return replace(picture, media_name=picture.name, media_time_s=0.0)


def _placed(row: Row[Any]) -> Placed:
    return Placed(_picture(row), row.side, row.founder)


def _placed_row(placed: Placed) -> dict[str, Any]:
    picture = placed.picture
    return {
        "name": picture.name,
        "sha256": picture.sha256,
        "dhash": f"{picture.dhash:016x}",
        "media_name": picture.media_name,
        "media_time_s": picture.media_time_s,
        "side": placed.side,
        "founder": placed.group,
    }


def _policy(row: Row[Any]) -> SplitPolicy:
    return SplitPolicy(bytes.fromhex(row.split_key), GroupingRules(row.gap_s, row.hash_distance))


def _upsert(connection: Connection, table: sa.Table, key: dict[str, str], values: dict[str, Any]) -> None:
    """Portable over SQLite and PostgreSQL; the ledger's transactions are serial, so nothing comes between."""
    ((column, value),) = key.items()
    changed = connection.execute(table.update().where(table.c[column] == value).values(**values))
    if not changed.rowcount:
        connection.execute(table.insert().values(**key, **values))
