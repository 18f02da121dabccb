"""``model.trained`` becomes export jobs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from azaion_common.errors import AzaionError
from azaion_common.events import Event, ModelTrained
from azaion_common.ledger.handler import Delivery, Effect
from azaion_common.streams import Record
from azaion_exporter.plan import Target, jobs_for


@dataclass(frozen=True)
class Planner:
    """Asks for one export per target of every model that became champion."""

    targets: tuple[Target, ...]

    async def prepare(self, delivery: Delivery[Event]) -> None:
        """Nothing here is slow."""

    def apply(self, connection: Connection, delivery: Delivery[Event], prepared: None) -> Iterable[Effect]:
        match delivery.content:
            case ModelTrained() as model:
                return jobs_for(model, self.targets)
            case _:
                return []

    def quarantined(
        self, connection: Connection, record: Record, error: AzaionError, raw_sha256: str
    ) -> Iterable[Effect]:
        return []
