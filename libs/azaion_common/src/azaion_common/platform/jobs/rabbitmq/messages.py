"""Jobs as messages: the id is the message id, the body is the body."""

from __future__ import annotations

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage

from azaion_common.core.errors import PermanentError

LONGEST_ID = 200
_LONGEST_ID_BYTES = 255
_LONGEST_BODY_BYTES = 1 << 20


def encode(job_id: str, body: str) -> Message:
    """A persistent message.

    Raises:
        PermanentError: ``job_invalid``.
    """
    why = _unfit(job_id, body)
    if why is not None:
        raise PermanentError("job_invalid", f"job {job_id[:LONGEST_ID]!r}: {why}")
    return Message(
        body.encode(),
        message_id=job_id,
        content_type="application/json",
        delivery_mode=DeliveryMode.PERSISTENT,
    )


def decode(message: AbstractIncomingMessage) -> tuple[str, str] | None:
    """Id and body; None when it is no job."""
    try:
        job_id, body = message.message_id or "", message.body.decode()
    except UnicodeDecodeError:
        return None
    return None if _unfit(job_id, body) else (job_id, body)


def _unfit(job_id: str, body: str) -> str | None:
    """What a broker or a database would not take."""
    if not 0 < len(job_id) <= LONGEST_ID or len(job_id.encode()) > _LONGEST_ID_BYTES:
        return f"an id has 1 to {LONGEST_ID} characters"
    if len(body.encode()) > _LONGEST_BODY_BYTES:
        return "a body has at most 1 MiB: what is larger belongs into a blob"
    if "\0" in job_id or "\0" in body:
        return "PostgreSQL stores no NUL characters"
    return None
