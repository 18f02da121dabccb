"""Counters of the ingestor; messages and quarantines are counted by its consumer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized

from prometheus_client import Counter, Gauge

from azaion_common.contracts.events import MessageDeadLettered
from azaion_common.platform.ledger.handler import Outgoing

EVENTS = Counter("azaion_ingestor_events", "Changes of pictures, by the event that tells of them", ["type"])
NAMES_REFUSED = Counter(
    "azaion_ingestor_names_refused", "Names in bulk messages that could not be applied", ["reason"]
)
PICTURES = Gauge(
    "azaion_ingestor_pictures",
    "Pictures that are known, by the part of the stream and their state",
    ["part", "state"],
)
VIEWS_DUE = Gauge(
    "azaion_ingestor_views_due", "Pictures whose files in data/ and its kin are not up to date yet"
)

for kind in ("saved", "validated", "deleted", "quarantined"):
    EVENTS.labels(f"image.{kind}.v1")  # 0 until there is one
NAMES_REFUSED.labels("unknown_picture")


def count(told: Iterable[Outgoing]) -> None:
    """What a transaction told the others, once it is durable."""
    for outgoing in told:
        if not isinstance(outgoing.event, MessageDeadLettered):
            EVENTS.labels(outgoing.event.type).inc()


def count_refused(names: Mapping[str, Sized]) -> None:
    """Names of a bulk message that could not be applied, by their reason."""
    for reason, several in names.items():
        NAMES_REFUSED.labels(reason).inc(len(several))
