"""The envelope around every event: CloudEvents 1.0 attributes plus the identity that makes effects happen once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from azaion_common.contracts.events import Event

_NAMESPACE = UUID("8f0cb6c5-2d2e-4b7c-9f0f-6a1f0a3f7c55")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One event on its way.

    ``(producer, epoch, seq)`` is its identity: ``seq`` counts up by one per stream and producer, ``epoch`` rises
    when the producer's ledger was made anew. The broker's offset is never an identity.
    """

    id: UUID
    source: str
    subject: str
    time: datetime
    producer: str
    epoch: int
    seq: int
    causation: UUID | None
    traceparent: str | None
    event: Event

    @property
    def type(self) -> str:
        return self.event.type


def wrap(
    *,
    event: Event,
    subject: str,
    producer: str,
    epoch: int,
    seq: int,
    stream: str,
    causation: UUID | None = None,
    traceparent: str | None = None,
    time: datetime | None = None,
) -> Envelope:
    """Wrap ``event``; the id follows from the identity, so that a replay makes the same one."""
    return Envelope(
        id=event_id(producer, epoch, stream, seq),
        source=f"azaion/{producer}",
        subject=subject,
        time=time or datetime.now(UTC),
        producer=producer,
        epoch=epoch,
        seq=seq,
        causation=causation,
        traceparent=traceparent,
        event=event,
    )


def event_id(producer: str, epoch: int, stream: str, seq: int) -> UUID:
    """The id of an event follows from its identity."""
    return uuid5(_NAMESPACE, f"{producer}/{epoch}/{stream}/{seq}")
