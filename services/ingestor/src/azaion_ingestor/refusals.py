"""What people see of a refused message: picture and labels as they came, in ``data-corrupted/``."""

from __future__ import annotations

from dataclasses import dataclass, field

from azaion_annotations.labels import unchecked_text
from azaion_common.contracts.annotations.names import is_safe_name
from azaion_common.contracts.annotations.wire import remains_of
from azaion_common.platform.streams import Record

CORRUPTED = "data-corrupted"


@dataclass(frozen=True, slots=True)
class Salvage:
    """The pair of files that a refused message leaves."""

    name: str | None
    """As the message says, safe or not; only ever shown."""
    view_name: str | None
    """Name of its files; None when there is nothing to see."""
    image: bytes = field(repr=False)
    media_type: str
    labels: str = field(repr=False)


def salvage(record: Record) -> Salvage:
    """What is left of ``record``."""
    return salvage_body(record.body, f"message-{record.offset}")


def salvage_body(body: bytes, fallback_name: str) -> Salvage:
    """What is left of a message; a name that is not safe is replaced by ``fallback_name``."""
    remains = remains_of(body)
    visible = remains.image is not None or remains.detections is not None
    name = remains.name if remains.name and is_safe_name(remains.name) else fallback_name
    png = remains.image_extension.lower().lstrip(".") == "png"
    return Salvage(
        name=remains.name,
        view_name=name if visible else None,
        image=remains.image or b"",
        media_type="image/png" if png else "image/jpeg",
        labels=unchecked_text(remains.detections or ""),
    )
