"""What a service gives to the consumer: how one delivery is handled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sqlalchemy import Connection

from azaion_common.contracts.events import Event
from azaion_common.contracts.events.envelope import Envelope
from azaion_common.core.errors import AzaionError
from azaion_common.platform.streams import Record

Content = TypeVar("Content")
Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event to publish, kept in the outbox until the stream has it."""

    stream: str
    event: Event
    subject: str


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to put into a queue, kept in the outbox until the queue has it. The id makes it one job, ever."""

    queue: str
    job_id: str
    body: str


Effect = Outgoing | NewJob


@dataclass(frozen=True, slots=True)
class Delivery(Generic[Content]):
    """A record with its decoded content; ``envelope`` is None on streams that others write.

    ``unique`` says of a foreign message that nobody means the same bytes twice: again they are a repetition.
    ``again`` says that it was refused before, and that an operator wants it tried once more.
    """

    record: Record
    content: Content
    envelope: Envelope | None = None
    unique: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class Ready(Generic[Content, Prepared]):
    """A delivery and what ``prepare`` made for it."""

    delivery: Delivery[Content]
    prepared: Prepared


class Handler(Protocol[Content, Prepared]):
    """Applies deliveries in two steps, so that each effect happens once.

    ``prepare`` does what is slow and harmless to repeat (decode pictures, write blobs); several run at a time.
    ``apply`` runs in the ledger's one transaction, together with the cursor and the outbox; it must be quick, must
    touch nothing but ``connection`` (``after_commit`` is for what else there is), and returns what to publish, for each delivery. Where it raises PermanentError for
    several of them, they are applied again one by one, and those that are refused go to quarantine. Either step raises
    TransientError to be tried again later.
    """

    async def prepare(self, delivery: Delivery[Content]) -> Prepared: ...

    def apply(
        self, connection: Connection, batch: Sequence[Ready[Content, Prepared]]
    ) -> Sequence[Iterable[Effect]]: ...

    def quarantined(
        self, connection: Connection, record: Record, error: AzaionError, raw_sha256: str
    ) -> Iterable[Effect]:
        """What else to publish when ``record`` was quarantined (usually nothing)."""


class OneByOne(ABC, Generic[Content, Prepared]):
    """The ``apply`` of handlers whose deliveries gain nothing by being applied together."""

    def apply(
        self, connection: Connection, batch: Sequence[Ready[Content, Prepared]]
    ) -> Sequence[Iterable[Effect]]:
        return [self.apply_one(connection, each.delivery, each.prepared) for each in batch]

    @abstractmethod
    def apply_one(
        self, connection: Connection, delivery: Delivery[Content], prepared: Prepared
    ) -> Iterable[Effect]: ...

    def quarantined(
        self, connection: Connection, record: Record, error: AzaionError, raw_sha256: str
    ) -> Iterable[Effect]:
        return []
