"""The platform's messages: both ways, within limits, and never a crash."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azaion_common.contracts.annotations.packing import MAX_MESSAGE_BYTES, unpacked_bytes
from azaion_common.contracts.annotations.profiles import STATUS_PROPERTY, Action, Role
from azaion_common.contracts.annotations.wire import (
    AnnotationMessage,
    BulkMessage,
    CreatedNarrow,
    decode_message,
    encode_annotation,
    encode_bulk,
    remains_of,
)
from azaion_common.core.errors import PermanentError

CREATED = {STATUS_PROPERTY: 10}
VALIDATED = {STATUS_PROPERTY: 30}
AT = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
messages = st.builds(
    AnnotationMessage,
    action=st.sampled_from([Action.CREATED, Action.EDITED]),
    name=texts.filter(bool),
    created_at=st.integers(-2_000_000_000, 10_000_000_000).map(
        lambda second: datetime.fromtimestamp(second, UTC)
    ),
    detections=texts,
    image=st.none() | st.binary(max_size=500),
    image_extension=texts,
    media_name=texts,
    media_time_ticks=st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
    role=st.sampled_from(list(Role)).map(int),
    email=texts,
    source=st.integers(0, 1),
)


def golden(**changes: Any) -> dict[int, Any]:
    """A message as the platform writes it, by key."""
    fields = {
        0: msgpack.Timestamp.from_datetime(AT), 1: "0c8f", 2: "flight.mp4", 3: 125_000_000, 4: ".jpg",
        5: '[{"cls": 0, "x": 0.5, "y": 0.5, "w": 0.1, "h": 0.1}]', 6: b"picture", 7: 20, 8: "a@example.org", 9: 1, 10: 10,
    }  # fmt: skip
    return fields | {int(key[1:]): value for key, value in changes.items()}


def decode(fields: object, properties: dict[str, Any] | None = None, **options: Any) -> Any:
    return decode_message(msgpack.packb(fields), properties or CREATED, **options)


@given(messages)
def test_an_annotation_survives_the_round_trip(message: AnnotationMessage) -> None:
    """What is encoded is what is decoded, for every field."""
    properties = {STATUS_PROPERTY: 10 if message.action is Action.CREATED else 20}

    assert decode_message(encode_annotation(message), properties) == message


@given(st.lists(texts.filter(bool), max_size=20, unique=True), texts, st.booleans())
def test_a_bulk_message_survives_the_round_trip(names: list[str], email: str, validated: bool) -> None:  # noqa: FBT001
    """What is encoded is what is decoded, for both actions."""
    action = Action.VALIDATED if validated else Action.DELETED
    message = BulkMessage(action=action, names=tuple(names), created_at=AT, email=email)

    assert decode_message(encode_bulk(message), {STATUS_PROPERTY: 30 if validated else 40}) == message


def test_map_array_and_gzip_mean_the_same() -> None:
    """Integer-keyed maps, arrays and gzip of either are one message."""
    fields = golden()
    as_array = [fields[key] for key in range(11)]

    message = decode(fields)

    assert decode(as_array) == message
    assert decode_message(gzip.compress(msgpack.packb(as_array)), CREATED) == message
    assert message.media_time_ticks == 125_000_000
    assert message.created_at == AT
    assert message.by_validator


@pytest.mark.parametrize(
    "rest", [[30, AT, "v@example.org"], [AT, "v@example.org", 30], ["v@example.org", 30, AT]]
)
def test_a_bulk_message_is_read_in_any_order(rest: list[object]) -> None:
    """After the names, each field is known by its type, not its place."""
    body = msgpack.packb([["a", "b", "a"], *rest], datetime=True)

    assert decode_message(body, VALIDATED) == BulkMessage(
        action=Action.VALIDATED, names=("a", "b"), created_at=AT, email="v@example.org"
    )


def test_the_narrow_form_has_the_mail_where_the_full_form_has_the_media() -> None:
    """A created message with neither detections nor picture is the narrow one."""
    assert decode({1: "0c8f", 2: "a@example.org"}) == CreatedNarrow(name="0c8f", email="a@example.org")


@pytest.mark.parametrize(
    ("profile", "status", "action"),
    [("2024", 10, "created"), ("2024", "20", "edited"), ("2025", 10, "created")],
)
def test_the_status_property_says_what_is_asked_for(profile: str, status: object, action: str) -> None:
    """The property decides, as a number or its text; the number inside the body is not looked at."""
    assert decode(golden(k10=40), {STATUS_PROPERTY: status}, profile=profile).action == action


def test_profiles_read_the_same_number_differently() -> None:
    """30 validates in one profile and rejects in the other: it must never be read without one."""
    body = [["a"]]

    assert decode(body, VALIDATED).action is Action.VALIDATED
    assert decode(body, VALIDATED, profile="2025").action is Action.DELETED
    assert decode(golden(), {STATUS_PROPERTY: 20}, profile="2025") == BulkMessage(
        action=Action.VALIDATED, names=("0c8f",)
    )


@pytest.mark.parametrize("properties", [{}, {STATUS_PROPERTY: 11}, {STATUS_PROPERTY: "x"}, {STATUS_PROPERTY: True},
                                        {STATUS_PROPERTY: "9" * 5000}, {STATUS_PROPERTY: 10.0}])  # fmt: skip
def test_an_unknown_status_is_refused(properties: dict[str, object]) -> None:
    """A status that the profile does not know is told as such, not guessed."""
    with pytest.raises(PermanentError, match="unknown_status"):
        decode_message(msgpack.packb(golden()), properties)


DEEP = b"\x91" * 2000 + b"\xc0"
MALFORMED = {
    "nothing": b"",
    "text": b"hello",
    "string keys": msgpack.packb({"name": "a"}),
    "duplicate keys": b"\x82\x01\xa1a\x01\xa1b",
    "extension type": msgpack.packb([msgpack.ExtType(5, b"x")]),
    "nesting": DEEP,
    "long array": msgpack.packb([0] * 4097),
    "large map": msgpack.packb(dict.fromkeys(range(257), 0)),
    "unhashable key": b"\x81\x90\x01",
    "trailing bytes": msgpack.packb(golden()) + b"\x00",
    "no name": msgpack.packb(golden(k1="")),
    "long name": msgpack.packb(golden(k1="a" * 1001)),
    "image as text": msgpack.packb(golden(k6="text")),
    "time as text": msgpack.packb(golden(k3="1")),
    "date as number": msgpack.packb(golden(k0=1)),
    "date beyond the calendar": msgpack.packb(golden(k0=msgpack.Timestamp(1 << 60))),
    "role of another kind": msgpack.packb(golden(k7=[])),
    "broken gzip": b"\x1f\x8bgzip",
    "cut gzip": gzip.compress(msgpack.packb(golden()))[:-9],
    "bulk names of another kind": msgpack.packb([[1]]),
    "bulk for created": msgpack.packb([["a"]]),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_no_message_is_malformed(case: str) -> None:
    """Every malformed body has the one code that quarantine knows."""
    with pytest.raises(PermanentError) as caught:
        decode_message(MALFORMED[case], CREATED)

    assert caught.value.code == "message_malformed"


def test_sizes_are_limited_before_and_after_unpacking() -> None:
    """Neither a large message nor a small one that unpacks to a large one gets into memory."""
    bomb = gzip.compress(bytes(8 * MAX_MESSAGE_BYTES), compresslevel=1)
    tracemalloc.start()
    try:
        for body in (bytes(MAX_MESSAGE_BYTES + 1), bomb):
            with pytest.raises(PermanentError) as caught:
                decode_message(body, CREATED)
            assert caught.value.code == "message_too_large"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_MESSAGE_BYTES


def test_gzip_makes_no_more_of_a_message_than_it_says_it_has() -> None:
    """Its word can be relied upon when room is made for it."""
    packed = gzip.compress(bytes(MAX_MESSAGE_BYTES // 2))
    liar = packed[:-4] + (1000).to_bytes(4, "little")
    tracemalloc.start()
    try:
        with pytest.raises(PermanentError) as caught:
            decode_message(liar, CREATED)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert caught.value.code == "message_malformed"
    assert unpacked_bytes(packed) == MAX_MESSAGE_BYTES // 2
    assert peak < 1 << 20


def test_two_thousand_spoilt_messages_are_decoded_or_refused() -> None:
    """Random bytes, changed messages and every prefix of one: a message or a PermanentError, nothing else."""
    random_of = random.Random(1)
    body = msgpack.packb(golden())
    bulk = msgpack.packb([["a", "b"], 30, AT, "v@example.org"], datetime=True)
    bodies = [random_of.randbytes(random_of.randrange(200)) for _ in range(700)]
    bodies += [spoilt(body, random_of) for _ in range(800)] + [spoilt(bulk, random_of) for _ in range(400)]
    bodies += [body[:end] for end in range(len(body))]

    refused: list[str] = []
    for each in bodies:
        remains_of(each)
        try:
            decode_message(each, {STATUS_PROPERTY: random_of.choice([10, 20, 30, 40])})
        except PermanentError as error:
            refused.append(str(error))

    assert len(bodies) >= 2000
    assert 1000 < len(refused) < len(bodies)
    assert not any("example.org" in each for each in refused)


def spoilt(body: bytes, random_of: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(random_of.randrange(1, 4)):
        changed[random_of.randrange(len(changed))] = random_of.randrange(256)
    return bytes(changed)


def test_the_remains_of_a_bulk_message_hold_no_mail() -> None:
    """A bulk message may have the e-mail address where others have the name."""
    assert remains_of(msgpack.packb([["a"], "v@example.org"])).name is None
    assert remains_of(msgpack.packb(golden(k7=[]))).name == "0c8f"


def test_mail_and_picture_are_not_shown() -> None:
    """Neither gets into a log by way of a message's repr."""
    assert "example.org" not in repr(decode(golden()))
    assert "picture" not in repr(decode(golden()))
