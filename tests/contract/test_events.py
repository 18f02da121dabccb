"""Events on the wire: round trips, limits, and golden schemas that tell when an event changed."""

from __future__ import annotations

import random
from pathlib import Path

import msgpack
import pytest

from azaion_common.contracts.events import BlobRef, ImageDeleted, MessageDeadLettered
from azaion_common.contracts.events.codec import MAX_BYTES, UnknownEventType, decode, encode
from azaion_common.contracts.events.envelope import Envelope, wrap
from azaion_common.contracts.schemas import CONTRACTS, schema
from azaion_common.core.errors import PermanentError

SCHEMAS = Path(__file__).parent / "schemas"


def _envelope(name: str = "a") -> Envelope:
    return wrap(event=ImageDeleted(name=name), subject=name, producer="p", epoch=1, seq=7, stream="s")


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_contract_does_not_change_unnoticed(contract: str) -> None:
    """The schema of each stream and queue equals its golden file; after a deliberate change: make schemas."""
    assert schema(contract) == (SCHEMAS / f"{contract}.json").read_text()


def test_an_envelope_survives_the_wire() -> None:
    """Decoding what was encoded gives the same envelope."""
    sent = _envelope()
    assert decode(encode(sent)) == sent


def test_the_same_identity_has_the_same_id() -> None:
    """A replay makes the same event id, another sequence number another one."""
    other = wrap(event=ImageDeleted(name="a"), subject="a", producer="p", epoch=1, seq=8, stream="s")

    assert _envelope().id == _envelope().id != other.id


def test_an_unknown_type_is_not_malformed() -> None:
    """A newer producer's event is told apart from bytes that make no sense."""
    fields = msgpack.unpackb(encode(_envelope()))
    fields["type"] = "image.rotated.v9"

    with pytest.raises(UnknownEventType):
        decode(msgpack.packb(fields))


def test_fields_of_newer_producers_are_ignored() -> None:
    """An old reader understands an event that has grown."""
    fields = msgpack.unpackb(encode(_envelope()))
    fields["data"]["new_field"] = 1

    assert decode(msgpack.packb(fields)).event == ImageDeleted(name="a")


def test_large_events_are_refused_on_both_sides() -> None:
    """Bytes belong in the blob store: neither writer nor reader takes more than the limit."""
    raw = BlobRef(sha256="0" * 64, size_bytes=1, media_type="x")
    letter = MessageDeadLettered(
        service="s" * (MAX_BYTES + 1), stream="s", offset=0, reason="r", message="m", raw=raw
    )

    with pytest.raises(PermanentError, match="event_too_large"):
        encode(wrap(event=letter, subject="s", producer="p", epoch=1, seq=1, stream="s"))
    with pytest.raises(PermanentError, match="event_too_large"):
        decode(b"\0" * (MAX_BYTES + 1))


def test_damaged_bytes_are_malformed_and_nothing_worse() -> None:
    """Every prefix and thousands of damaged copies either decode or are refused as malformed; nothing crashes."""
    seed = 20
    dice = random.Random(seed)
    golden = encode(_envelope())
    damaged = [golden[:length] for length in range(len(golden))]
    for _ in range(3000):
        copy = bytearray(golden)
        for _ in range(dice.randint(1, 4)):
            copy[dice.randrange(len(copy))] = dice.randrange(256)
        damaged.append(bytes(copy))
    refused, codes = 0, set()
    for body in damaged:
        try:
            decode(body)
        except UnknownEventType:
            continue
        except PermanentError as error:
            refused += error.code == "event_malformed"
            codes.add(error.code)
    assert codes == {"event_malformed"}, f"seed {seed}"
    assert refused > len(golden)
