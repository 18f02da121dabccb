"""From a record of one of our own streams to a delivery."""

from __future__ import annotations

from azaion_common.contracts.events import Event
from azaion_common.contracts.events.codec import UnknownEventType, decode
from azaion_common.platform.ledger.handler import Delivery
from azaion_common.platform.streams import Record


def decode_event(record: Record) -> Delivery[Event] | None:
    """The delivery, or None for an event type that this version does not know.

    Raises:
        PermanentError: ``event_malformed``, ``event_too_large``.
    """
    try:
        envelope = decode(record.body)
    except UnknownEventType:
        return None
    return Delivery(record, envelope.event, envelope)
