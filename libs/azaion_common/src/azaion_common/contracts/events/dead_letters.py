"""What could not be applied, with reason and origin, on the stream ``azaion.dead-letters``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from azaion_common.contracts.events.references import BlobRef, Value

STREAM = "azaion.dead-letters"


class MessageDeadLettered(Value):
    """A service could not apply a message; the raw bytes are kept as a blob."""

    type: Literal["message.dead_lettered.v1"] = "message.dead_lettered.v1"
    service: str
    stream: str
    offset: int
    reason: str
    message: str = Field(max_length=2000)
    raw: BlobRef


DeadLettersEvent = MessageDeadLettered
