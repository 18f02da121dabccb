"""What the augmentor does about pictures that were saved or deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from azaion_augmentor import metrics, records
from azaion_augmentor.batches import Batches
from azaion_common.contracts.events import BatchAugmented, Event, ImageDeleted, ImageSaved, datasets
from azaion_common.platform.database.after_commit import after_commit
from azaion_common.platform.ledger.handler import Delivery, Effect, OneByOne, Outgoing


@dataclass(frozen=True)
class Augmentor(OneByOne[Event, BatchAugmented | None]):
    """``image.saved`` becomes ``batch.augmented``; ``image.deleted`` takes the variants away.

    A revision that is older than the one known came late and is ignored; one that is announced again (by an ingestor
    whose ledger was restored) is known. ``view_changed`` is called, from any
    thread, when the browsable folder is to be brought up to date.
    """

    batches: Batches
    view_changed: Callable[[], None]

    async def prepare(self, delivery: Delivery[Event]) -> BatchAugmented | None:
        match delivery.content:
            case ImageSaved() as saved:
                return await self.batches.make(saved)
            case _:
                return None

    def apply_one(
        self, connection: Connection, delivery: Delivery[Event], prepared: BatchAugmented | None
    ) -> Iterable[Effect]:
        match delivery.content, prepared:
            case ImageSaved() as saved, BatchAugmented() as batch:
                return self._apply_saved(connection, saved, batch)
            case ImageDeleted(name=name), _:
                records.remove(connection, name)
                self.view_changed()
            case _:
                pass  # validated or quarantined: nothing to multiply
        return []

    def _apply_saved(
        self, connection: Connection, saved: ImageSaved, batch: BatchAugmented
    ) -> Iterable[Effect]:
        if records.supersedes(connection, saved, batch):
            return []
        return augmented(connection, saved, batch, reason="saved", view_changed=self.view_changed)


def augmented(
    connection: Connection,
    saved: ImageSaved,
    batch: BatchAugmented,
    *,
    reason: str,
    view_changed: Callable[[], None],
) -> list[Effect]:
    """Remember ``batch`` and tell the others."""
    records.replace(connection, saved, batch)
    after_commit(connection, metrics.PICTURES.labels(reason).inc)
    view_changed()
    return [Outgoing(datasets.STREAM, batch, saved.name)]
