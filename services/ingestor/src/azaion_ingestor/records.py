"""Pictures, refusals and due files as rows: statements on a connection of the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy import Connection, Row

from azaion_annotations.pictures import PictureFacts
from azaion_common.contracts.events import BlobRef, Box
from azaion_ingestor.pictures import Content, Origin, Picture, State
from azaion_ingestor.tables import PICTURES, REFUSED, VIEWS_DUE

_AT_ONCE = 1000
"""Names in one question; databases have limits."""
_BOXES: TypeAdapter[tuple[Box, ...]] = TypeAdapter(tuple[Box, ...])


@dataclass(frozen=True, slots=True)
class Due:
    """A pair of files that may differ from what the ledger says."""

    id: int
    view: str
    name: str


def load(connection: Connection, names: Iterable[str]) -> dict[str, Picture]:
    """The pictures among ``names`` that are known."""
    wanted, found = sorted(set(names)), {}
    for first in range(0, len(wanted), _AT_ONCE):
        some = PICTURES.c.name.in_(wanted[first : first + _AT_ONCE])
        rows = connection.execute(sa.select(PICTURES).where(some))
        found.update({row.name: _picture(row) for row in rows})
    return found


def count_by_state(connection: Connection) -> dict[State, int]:
    """How many pictures there are in each state."""
    query = sa.select(PICTURES.c.state, sa.func.count()).group_by(PICTURES.c.state)
    found = {State(state): int(count) for state, count in connection.execute(query)}
    return {state: found.get(state, 0) for state in State}


def store(connection: Connection, changes: Sequence[tuple[Picture | None, Picture]]) -> None:
    """Write each picture in place of the one before it, and note which folders that concerns."""
    if new := [_values(after) for before, after in changes if before is None]:
        connection.execute(PICTURES.insert(), new)
    if changed := [_values(after) | {"known_as": after.name} for before, after in changes if before]:
        connection.execute(PICTURES.update().where(PICTURES.c.name == sa.bindparam("known_as")), changed)
    views = {(str(picture.state), picture.name): None for change in changes for picture in change if picture}
    mark_due(connection, list(views))


def refuse(connection: Connection, stream: str, offset: int, view_name: str | None, raw_sha256: str) -> None:
    """Note what there is to see of a refused message, in place of what another log had at this offset."""
    forgive(connection, stream, offset)
    connection.execute(
        REFUSED.insert().values(stream=stream, offset=offset, view_name=view_name, raw_sha256=raw_sha256)
    )


def forgive(connection: Connection, stream: str, offset: int) -> list[str]:
    """Forget the refusal of a message; the names under which it was seen."""
    here = (REFUSED.c.stream == stream) & (REFUSED.c.offset == offset)
    names = connection.execute(sa.select(REFUSED.c.view_name).where(here)).scalars().all()
    connection.execute(REFUSED.delete().where(here))
    return [name for name in names if name is not None]


def refused_raw(connection: Connection, view_names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the newest refused message that is seen under each of ``view_names``."""
    query = sa.select(REFUSED.c.view_name, REFUSED.c.raw_sha256).where(
        REFUSED.c.view_name.in_(set(view_names))
    )
    return {row.view_name: row.raw_sha256 for row in connection.execute(query.order_by(REFUSED.c.offset))}


def names_in(connection: Connection, state: State) -> set[str]:
    return set(connection.execute(sa.select(PICTURES.c.name).where(PICTURES.c.state == state)).scalars())


def refused_names(connection: Connection) -> set[str]:
    query = sa.select(REFUSED.c.view_name).where(REFUSED.c.view_name.is_not(None))
    return set(connection.execute(query).scalars())


def mark_due(connection: Connection, entries: Sequence[tuple[str, str]]) -> None:
    """Note (view, name) pairs to bring up to date."""
    if entries:
        connection.execute(VIEWS_DUE.insert(), [{"view": view, "name": name} for view, name in entries])


def due(connection: Connection, limit: int) -> list[Due]:
    rows = connection.execute(sa.select(VIEWS_DUE).order_by(VIEWS_DUE.c.id).limit(limit))
    return [Due(row.id, row.view, row.name) for row in rows]


def done(connection: Connection, entries: Iterable[Due]) -> None:
    connection.execute(VIEWS_DUE.delete().where(VIEWS_DUE.c.id.in_([entry.id for entry in entries])))


def _values(picture: Picture) -> dict[str, Any]:
    content, origin = picture.content, picture.origin
    return {
        "name": picture.name,
        "state": str(picture.state),
        "revision": picture.revision,
        "image_sha256": content.image.sha256,
        "image_size_bytes": content.image.size_bytes,
        "media_type": content.image.media_type,
        "width": content.facts.width,
        "height": content.facts.height,
        "dhash": content.facts.dhash,
        "boxes": _BOXES.dump_json(picture.boxes).decode(),
        "created_at": origin.created_at,
        "media_name": origin.media_name,
        "media_time_s": origin.media_time_s,
        "role": origin.role,
        "source": origin.source,
        "email": origin.email,
    }


def _picture(row: Row[Any]) -> Picture:
    image = BlobRef(sha256=row.image_sha256, size_bytes=row.image_size_bytes, media_type=row.media_type)
    # SQLite keeps no time zone; what went in was UTC.
    created_at = row.created_at if row.created_at.tzinfo else row.created_at.replace(tzinfo=UTC)
    return Picture(
        name=row.name,
        state=State(row.state),
        revision=row.revision,
        content=Content(image, PictureFacts(row.media_type, row.width, row.height, row.dhash)),
        boxes=_BOXES.validate_json(row.boxes),
        origin=Origin(created_at, row.media_name, row.media_time_s, row.role, row.source, row.email),
    )
