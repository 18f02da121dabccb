"""Reading and changing the augmentor's tables, inside the ledger's transactions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_augmentor.tables import PICTURES, VARIANTS, VIEWS_DUE
from azaion_common.contracts.events import BatchAugmented, ImageSaved

_AT_ONCE = 500
"""Values in one question; databases have limits."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture as it was multiplied last, with the digests of all blobs that came of it."""

    saved: ImageSaved
    recipe_sha256: str
    seed: int
    blobs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """The blobs that one name in the view stands for."""

    image_sha256: str
    media_type: str
    labels_sha256: str


@dataclass(frozen=True, slots=True)
class Due:
    """A name in the view to bring up to date; ``shown`` is None when it is to vanish."""

    number: int
    name: str
    shown: Shown | None


def revision(connection: Connection, name: str) -> int | None:
    """The revision that was multiplied last; None for a picture that is not there (any more)."""
    return connection.execute(
        sa.select(PICTURES.c.revision).where(PICTURES.c.name == name)
    ).scalar_one_or_none()


def supersedes(connection: Connection, saved: ImageSaved, batch: BatchAugmented) -> bool:
    """Whether what is known of the picture is newer than ``saved``, or is the same as ``batch`` says."""
    row = connection.execute(sa.select(PICTURES).where(PICTURES.c.name == saved.name)).one_or_none()
    if row is None:
        return False
    same = (saved.revision, saved.model_dump_json(), batch.recipe_sha256, batch.seed)
    return row.revision > saved.revision or (row.revision, row.saved, row.recipe_sha256, row.seed) == same


def replace(connection: Connection, saved: ImageSaved, batch: BatchAugmented) -> None:
    """Remember ``batch`` in place of what was known of the picture."""
    remove(connection, saved.name)
    connection.execute(
        PICTURES.insert().values(
            name=saved.name,
            revision=saved.revision,
            saved=saved.model_dump_json(),
            recipe_sha256=batch.recipe_sha256,
            seed=batch.seed,
        )
    )
    rows = [
        {
            "name": variant.name,
            "picture": saved.name,
            "image_sha256": variant.image.sha256,
            "image_media_type": variant.image.media_type,
            "labels_sha256": variant.labels.sha256,
        }
        for variant in batch.variants
    ]
    connection.execute(VARIANTS.insert(), rows)
    mark_due(connection, [variant.name for variant in batch.variants])


def remove(connection: Connection, name: str) -> None:
    """Forget a picture and its variants; an unknown one is fine."""
    of_picture = VARIANTS.c.picture == name
    mark_due(connection, connection.execute(sa.select(VARIANTS.c.name).where(of_picture)).scalars().all())
    connection.execute(VARIANTS.delete().where(of_picture))
    connection.execute(PICTURES.delete().where(PICTURES.c.name == name))


def page(connection: Connection, after: str, limit: int) -> list[Entry]:
    """Up to ``limit`` pictures in the order of their names, beginning after ``after``."""
    rows = connection.execute(
        sa.select(PICTURES).where(PICTURES.c.name > after).order_by(PICTURES.c.name).limit(limit)
    ).all()
    return [_entry(connection, row) for row in rows]


def with_blobs(connection: Connection, blobs: Collection[str]) -> list[Entry]:
    """The pictures of whose variants one has a blob among ``blobs``."""
    wanted, names = sorted(blobs), set[str]()
    for first in range(0, len(wanted), _AT_ONCE):
        some = wanted[first : first + _AT_ONCE]
        of_variant = VARIANTS.c.image_sha256.in_(some) | VARIANTS.c.labels_sha256.in_(some)
        names |= set(connection.execute(sa.select(VARIANTS.c.picture).where(of_variant)).scalars())
    rows = (
        connection.execute(sa.select(PICTURES).where(PICTURES.c.name == name)).one() for name in sorted(names)
    )
    return [_entry(connection, row) for row in rows]


def variant_names(connection: Connection) -> set[str]:
    """Every name that the view should show."""
    return set(connection.execute(sa.select(VARIANTS.c.name)).scalars())


def mark_due(connection: Connection, names: Iterable[str]) -> None:
    """Note that the view is to be brought up to date for ``names``."""
    rows = [{"name": name} for name in names]
    if rows:
        connection.execute(VIEWS_DUE.insert(), rows)


def due(connection: Connection, limit: int) -> list[Due]:
    """What the view lacks, oldest first."""
    rows = connection.execute(
        sa.select(VIEWS_DUE.c.id, VIEWS_DUE.c.name.label("due_name"), VARIANTS)
        .outerjoin(VARIANTS, VARIANTS.c.name == VIEWS_DUE.c.name)
        .order_by(VIEWS_DUE.c.id)
        .limit(limit)
    )
    return [
        Due(
            row.id,
            row.due_name,
            Shown(row.image_sha256, row.image_media_type, row.labels_sha256) if row.picture else None,
        )
        for row in rows
    ]


def done(connection: Connection, entries: Sequence[Due]) -> int:
    """Strike ``entries`` off; returns how many others are still due."""
    connection.execute(VIEWS_DUE.delete().where(VIEWS_DUE.c.id.in_([entry.number for entry in entries])))
    return connection.execute(sa.select(sa.func.count()).select_from(VIEWS_DUE)).scalar_one()


def _entry(connection: Connection, row: sa.Row[Any]) -> Entry:
    saved = ImageSaved.model_validate_json(row.saved)
    return Entry(saved, row.recipe_sha256, row.seed, _blobs(connection, row.name))


def _blobs(connection: Connection, name: str) -> frozenset[str]:
    rows = connection.execute(
        sa.select(VARIANTS.c.image_sha256, VARIANTS.c.labels_sha256).where(VARIANTS.c.picture == name)
    )
    return frozenset(digest for row in rows for digest in row)
