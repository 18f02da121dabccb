"""``model.exported`` becomes a publication."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from azaion_common.contracts.events import Event, ModelExported
from azaion_common.platform.ledger.handler import Delivery, Effect, OneByOne
from azaion_publisher.plan import is_automatic, job_for


@dataclass(frozen=True)
class Planner(OneByOne[Event, None]):
    """Asks for the publication of every export of a freshly trained champion."""

    automatic: bool

    async def prepare(self, delivery: Delivery[Event]) -> None:
        """Nothing here is slow."""

    def apply_one(
        self, connection: Connection, delivery: Delivery[Event], prepared: None
    ) -> Iterable[Effect]:
        match delivery.content:
            case ModelExported() as export if self.automatic and is_automatic(export):
                return [job_for(export)]
            case _:
                return []
