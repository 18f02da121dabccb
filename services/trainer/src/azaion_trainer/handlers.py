"""What the trainer learns from the streams ``azaion.images`` and ``azaion.datasets``: which pictures there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import (
    BatchAugmented,
    Event,
    ImageDeleted,
    ImageSaved,
    ImageValidated,
)
from azaion_common.platform.database.after_commit import after_commit
from azaion_common.platform.ledger.handler import Delivery, Effect, OneByOne
from azaion_trainer import metrics, pictures


@dataclass(frozen=True, slots=True)
class PictureKeeper(OneByOne[Event, None]):
    """Keeps the trainer's table of pictures and variants. It publishes nothing; the schedule looks at the table."""

    catalogue: Catalogue

    async def prepare(self, delivery: Delivery[Event]) -> None:
        return None

    def apply_one(
        self, connection: Connection, delivery: Delivery[Event], prepared: None
    ) -> Iterable[Effect]:
        """Raises PermanentError ``unknown_class`` or ``unknown_condition`` for boxes that the catalogue does not know."""
        changed_at = delivery.record.appended_at.timestamp()
        match delivery.content:
            case ImageSaved() as event:
                pictures.save_picture(connection, event, self.catalogue, changed_at)
            case ImageValidated(name=name):
                pictures.validate_picture(connection, name, changed_at)
            case ImageDeleted(name=name):
                pictures.delete_picture(connection, name)
            case BatchAugmented() as event:
                pictures.save_variants(connection, event)
            case _:  # not about the data: noting its offset would make another dataset of the same pictures
                return ()
        pictures.note_position(connection, delivery.record.stream, delivery.record.offset + 1)
        after_commit(connection, metrics.PICTURE_EVENTS.labels(delivery.content.type).inc)
        return ()
