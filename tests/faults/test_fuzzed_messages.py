"""Messages that nobody meant, by the thousand: each is applied or put into quarantine with a reason that says why."""

from __future__ import annotations

import asyncio
import io
import math
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgpack
import psutil
import pytest
from faulttest.driver import seed_of_run
from faulttest.figures import tell
from PIL import Image
from pydantic import SecretStr
from testservers.given import GivenPostgres
from testservers.postgres import PrivatePostgres

from azaion_annotations.labels import detections_json
from azaion_common.contracts.annotations.profiles import STATUS_PROPERTY, Action, Role
from azaion_common.contracts.annotations.wire import STREAM, AnnotationMessage, encode_annotation
from azaion_common.core.errors import AzaionError
from azaion_common.platform.cli.examination import ServiceReport, examine
from azaion_common.platform.runtime.dead_letters import every
from azaion_common.platform.runtime.platform import open_platform
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.streams import Message
from azaion_ingestor.app import SERVICE

ALLOWANCE_BYTES = 64 << 20
SLOWEST_S = 1.0
BATCH = 500
STATUSES: tuple[Any, ...] = (10, 20, 30, 40, 50, -1, "10", "")
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, -(2**63), 1e308, math.nan, math.inf, "", "\0", "a\0b", "../up", "x" * 5000, "\u202e",
    "\ud7ff", b"", b"\xff\xd8\xff", b"\0" * 3000, [], [[]] * 50, {}, {"a": {"b": {}}},
    "[]", "[{}]", '[{"x": NaN}]', '[{"cls": 1e999}]', "[" * 3000, '{"a":' * 500,
)  # fmt: skip


def jpeg(size: int) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((size, size)).save(out, "JPEG")
    return out.getvalue()


def golden(number: int) -> bytes:
    return encode_annotation(
        AnnotationMessage(
            action=Action.CREATED,
            name=f"picture-{number}",
            created_at=datetime(2024, 5, 6, tzinfo=UTC),
            detections=detections_json([(0, "car", (0.5, 0.5, 0.1, 0.2))]),
            image=jpeg(16 + number % 50),
            image_extension=".jpg",
            media_name="flight.mp4",
            role=Role.VALIDATOR,
        )
    )


def with_odd_field(chance: random.Random, body: bytes) -> bytes:
    fields = msgpack.unpackb(body, strict_map_key=False)
    for _ in range(chance.randint(1, 2)):
        fields[chance.choice(list(fields))] = chance.choice(ODD)
    return bytes(msgpack.packb(fields))


def with_other_fields(chance: random.Random, body: bytes) -> bytes:
    fields = msgpack.unpackb(body, strict_map_key=False)
    for key in chance.sample(list(fields), chance.randint(1, 3)):
        del fields[key]
    for _ in range(chance.randrange(3)):
        fields[chance.choice((99, -1, "1", "", None, 1.5))] = chance.choice(ODD)
    return bytes(msgpack.packb(fields))


def with_flipped_bit(chance: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(chance: random.Random, body: bytes) -> bytes:
    return body[: chance.randrange(len(body))]


def noise(chance: random.Random, _body: bytes) -> bytes:
    return chance.randbytes(chance.randrange(1, 200))


MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    with_odd_field, with_odd_field, with_other_fields, with_flipped_bit, cut, noise,
)  # fmt: skip


def messages(chance: random.Random, count: int) -> list[Message]:
    """One in ten is good."""
    found = []
    for number in range(count):
        body, status = golden(number), 10
        if number % 10:
            body = chance.choice(MUTATIONS)(chance, body)
            status = chance.choice(STATUSES)
        found.append(Message(body, {STATUS_PROPERTY: status}))
    return found


async def fuzz(home: Path, database: str, count: int) -> None:
    """``count`` messages through the ingestor, its ledger in PostgreSQL."""
    chance, process = random.Random(seed_of_run()), psutil.Process()
    settings = PlatformSettings.load(home, "platform")
    settings = settings.model_copy(update={"ledger_url": SecretStr(database), "views": False})
    async with open_platform(home, settings) as platform, asyncio.TaskGroup() as group:
        running = group.create_task(SERVICE.run(platform))
        slowest_s, grown, before = 0.0, 0, 0
        for first in range(0, count, BATCH):
            await platform.log.append(STREAM, messages(chance, BATCH))
            started = time.monotonic()
            while await read_so_far(home) < first + BATCH:
                assert not running.done(), running.exception()
                await asyncio.sleep(0.1)
            slowest_s = max(slowest_s, (time.monotonic() - started) / BATCH)
            before = before or process.memory_info().rss
            grown = process.memory_info().rss - before
        platform.stopping.set()
    (report,) = await examine(home)
    (stream,) = report.streams
    reasons = Counter(letter.reason for letter in await every(home))
    tell(f"{count} messages: {stream.applied} applied, {stream.quarantined} quarantined ({dict(reasons)});"
          f" {slowest_s * 1000:.0f} ms per message, memory +{grown >> 20} MiB")  # fmt: skip

    assert stream.balanced
    assert (stream.messages_in, stream.pending) == (count, 0)
    assert stream.applied >= count // 10
    assert not reasons.keys() & {"internal_error", "crashes_service"}
    assert slowest_s < SLOWEST_S
    assert grown < ALLOWANCE_BYTES


async def read_so_far(home: Path) -> int:
    try:
        reports: list[ServiceReport] = await examine(home)
    except AzaionError:  # it has not made its tables yet
        return 0
    return sum(stream.messages_in - stream.pending for report in reports for stream in report.streams)


@pytest.fixture
def database(postgres: PrivatePostgres | GivenPostgres, monkeypatch: pytest.MonkeyPatch) -> str:
    address = postgres.new_database()
    monkeypatch.setenv("AZAION_PLATFORM__LEDGER_URL", address)
    return address


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_thousand_fuzzed_messages(tmp_path: Path, database: str) -> None:
    """None of them stops the service, is lost, or counts as a bug of ours."""
    await fuzz(tmp_path, database, 1000)


@pytest.mark.faults
@pytest.mark.timeout(1200)
async def test_ten_thousand_fuzzed_messages(tmp_path: Path, database: str) -> None:
    """And ten thousand."""
    await fuzz(tmp_path, database, 10_000)
