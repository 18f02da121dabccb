"""``model.trained`` becomes export jobs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from azaion_common.contracts.events import Event, ModelTrained
from azaion_common.platform.ledger.handler import Delivery, Effect, OneByOne
from azaion_exporter.plan import Target, jobs_for


@dataclass(frozen=True)
class Planner(OneByOne[Event, None]):
    """Asks for one export per target of every model that became champion."""

    targets: tuple[Target, ...]

    async def prepare(self, delivery: Delivery[Event]) -> None:
        """Nothing here is slow."""

    def apply_one(
        self, connection: Connection, delivery: Delivery[Event], prepared: None
    ) -> Iterable[Effect]:
        match delivery.content:
            case ModelTrained() as model:
                return jobs_for(model, self.targets)
            case _:
                return []
