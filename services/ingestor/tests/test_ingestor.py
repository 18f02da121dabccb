"""The service on the embedded platform: messages in; events, views and dead letters out; and it all adds up."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from picturetest.attacks import ATTACKS, many_scans, png

from azaion_annotations.labels import detections_json
from azaion_common.contracts.annotations.profiles import STATUS_PROPERTY, Action, Role
from azaion_common.contracts.annotations.wire import (
    STREAM,
    AnnotationMessage,
    BulkMessage,
    encode_annotation,
    encode_bulk,
)
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import (
    Event,
    ImageDeleted,
    ImageQuarantined,
    ImageSaved,
    ImageValidated,
    dead_letters,
    images,
)
from azaion_common.contracts.events.codec import decode
from azaion_common.platform.runtime import dead_letters as letters_of_home
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.transports import ledger_path
from azaion_common.platform.streams import Message
from azaion_common.testing import platform as embedded
from azaion_ingestor.app import SERVICE
from azaion_ingestor.metrics import EVENTS, NAMES_REFUSED

STATUS = {Action.CREATED: 10, Action.EDITED: 20, Action.VALIDATED: 30, Action.DELETED: 40}
FOLDERS = {Action.CREATED: "data-seed", Action.VALIDATED: "data", Action.DELETED: "data_deleted"}
Sent = AnnotationMessage | BulkMessage
TOLD = (images.STREAM, dead_letters.STREAM)


def wire(message: Sent) -> Message:
    body = encode_annotation(message) if isinstance(message, AnnotationMessage) else encode_bulk(message)
    return Message(body, {STATUS_PROPERTY: STATUS[message.action]})


def bulk(action: Action, *names: str) -> BulkMessage:
    return BulkMessage(action=action, names=names, email="who@example.org")


@asynccontextmanager
async def serving(platform: Platform) -> AsyncIterator[None]:
    """The service while the block runs; afterwards it has drained."""
    platform.stopping.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(SERVICE.run(platform))
        yield
        platform.stopping.set()


async def ingest(platform: Platform, messages: Sequence[Message]) -> None:
    """Send ``messages`` and wait until the service has read them all."""
    await platform.log.append(STREAM, messages)
    async with serving(platform):
        await until_read(platform)


async def until_read(platform: Platform) -> None:
    while not await _has_read_all(platform):
        await asyncio.sleep(0.01)


async def _has_read_all(platform: Platform) -> bool:
    try:
        return (await counts(platform))["next_offset"] >= await platform.log.end(STREAM)
    except (sqlite3.OperationalError, TypeError):  # the service has not made its tables yet
        return False


async def counts(platform: Platform) -> dict[str, int]:
    """The ingestor's cursor, read beside the running service."""
    return await asyncio.to_thread(_counts, ledger_path(platform.home, "ingestor"))


def _counts(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        row = database.execute("SELECT * FROM inbox_cursor WHERE stream = ?", (STREAM,)).fetchone()
        return dict(row)


async def events(platform: Platform, stream: str = images.STREAM) -> list[Event]:
    return [decode(record.body).event for record in await platform.log.read(stream, limit=10_000)]


def shown(home: Path) -> dict[str, set[str]]:
    """Names of the complete pairs in each folder."""
    found = {}
    for folder in ("data", "data-seed", "data_deleted", "data-corrupted"):
        pictures = {path.stem for path in (home / folder / "images").glob("*")}
        assert pictures == {path.stem for path in (home / folder / "labels").glob("*")}
        if pictures:
            found[folder] = pictures
    return found


@pytest.fixture
async def platform(tmp_path: Path, catalogue: Catalogue) -> AsyncIterator[Platform]:
    async with embedded(tmp_path, catalogue) as opened:
        yield opened


async def test_a_created_picture_is_stored_shown_and_told(
    platform: Platform, message: Callable[..., AnnotationMessage], picture: Callable[..., bytes]
) -> None:
    """The event carries all that the next service needs, and people see picture and labels."""
    await ingest(platform, [wire(message(image=picture(5, width=80, height=60)))])

    (event,) = await events(platform)
    assert isinstance(event, ImageSaved)
    assert (event.name, event.revision, event.width, event.height, event.validated) == (
        "roof",
        1,
        80,
        60,
        True,
    )
    assert (event.media_name, event.media_time_s, len(event.boxes)) == ("flight.mp4", 1.5, 1)
    assert await platform.blobs.get(event.image.sha256) == picture(5, width=80, height=60)
    assert (platform.home / "data/images/roof.jpg").read_bytes() == picture(5, width=80, height=60)
    assert (platform.home / "data/labels/roof.txt").read_text() == "0 0.500000 0.500000 0.100000 0.200000\n"


async def test_what_people_browse_is_read_only_and_says_how_to_correct(
    platform: Platform, message: Callable[..., AnnotationMessage]
) -> None:
    """Nobody reads changes to these files: they cannot be made by accident, and a note tells what to do instead."""
    await ingest(platform, [wire(message()), wire(message("seed", by=Role.OPERATOR))])

    for label in ("data/labels/roof.txt", "data-seed/labels/seed.txt", "data/images/roof.jpg"):
        assert (platform.home / label).stat().st_mode & 0o222 == 0
    for folder in ("data", "data-seed"):
        assert "azaion annotations edit" in (platform.home / folder / "README.txt").read_text()
    assert "import FOLDER --restore" in (platform.home / "data_deleted/README.txt").read_text()
    assert "azaion dead-letters" in (platform.home / "data-corrupted/README.txt").read_text()


async def test_pictures_go_where_their_story_leads(
    platform: Platform, message: Callable[..., AnnotationMessage], picture: Callable[..., bytes]
) -> None:
    """Created, validated, edited, deleted, created again: each ends in one folder, with its events."""
    operator = {"by": Role.OPERATOR}
    await ingest(platform, [wire(each) for each in (
        message("seed", **operator),
        message("confirmed", **operator),
        message("twice"), message("twice"),
        message("edited"), message("edited", action=Action.EDITED, image=None, boxes=2),
        message("gone"),
        message("back"),
        bulk(Action.VALIDATED, "confirmed"),
        bulk(Action.DELETED, "gone", "back"),
        replace(message("back"), created_at=datetime(2026, 3, 1, tzinfo=UTC)),
    )])  # fmt: skip

    assert shown(platform.home) == {
        "data": {"confirmed", "twice", "edited", "back"}, "data-seed": {"seed"}, "data_deleted": {"gone"},
    }  # fmt: skip
    assert (platform.home / "data/labels/edited.txt").read_text().count("\n") == 2
    told = await events(platform)
    assert Counter((type(event), event.name) for event in told) == Counter({  # type: ignore[union-attr]
        (ImageSaved, "seed"): 1, (ImageSaved, "confirmed"): 1, (ImageSaved, "twice"): 1, (ImageSaved, "edited"): 2,
        (ImageSaved, "gone"): 1, (ImageSaved, "back"): 2,
        (ImageValidated, "confirmed"): 1, (ImageDeleted, "gone"): 1, (ImageDeleted, "back"): 1,
    })  # fmt: skip


async def test_a_picture_that_moves_is_seen_in_one_folder_only(
    platform: Platform, message: Callable[..., AnnotationMessage]
) -> None:
    """While the service runs, a picture leaves the folder that it was shown in."""
    async with serving(platform):
        for step in (message(by=Role.OPERATOR), bulk(Action.VALIDATED, "roof"), bulk(Action.DELETED, "roof")):
            await platform.log.append(STREAM, [wire(step)])
            await until_read(platform)
            async with asyncio.timeout(5):
                while not list(platform.home.glob(f"{FOLDERS[step.action]}/labels/roof.txt")):
                    await asyncio.sleep(0.01)

    assert shown(platform.home) == {"data_deleted": {"roof"}}


async def test_an_edited_picture_replaces_the_one_that_is_shown(
    platform: Platform, message: Callable[..., AnnotationMessage], picture: Callable[..., bytes]
) -> None:
    """Also when it is of another format: one name never shows two pictures."""
    await ingest(platform, [wire(message())])
    await ingest(platform, [wire(message(action=Action.EDITED, image=picture(9, kind="PNG"), boxes=0))])

    assert [path.name for path in platform.home.glob("data/images/*")] == ["roof.png"]
    assert (platform.home / "data/images/roof.png").read_bytes() == picture(9, kind="PNG")
    assert (platform.home / "data/labels/roof.txt").read_text() == ""


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "empty": ({"image": b""}, "picture_empty"),
    "missing": ({"image": None}, "picture_missing"),
    "text": ({"image": b"not a picture"}, "picture_unreadable"),
    "range": ({"detections": '[{"cls": 0, "x": 2, "y": 0.5, "w": 0.1, "h": 0.1}]'}, "labels_out_of_range"),
    "nan": ({"detections": '[{"cls": 0, "x": NaN, "y": 0.5, "w": 0.1, "h": 0.1}]'}, "labels_not_finite"),
    "class": ({"detections": '[{"cls": 5, "x": 0.5, "y": 0.5, "w": 0.1, "h": 0.1}]'}, "unknown_class"),
    "words": ({"detections": "car at the left"}, "labels_malformed"),
    "../../escaped": ({}, "unsafe_name"),
    "a" * 500: ({}, "unsafe_name"),
    "nul\0": ({}, "unsafe_name"),
    "edited": ({"action": Action.EDITED, "image": None}, "picture_missing"),
}


async def test_what_cannot_be_used_is_quarantined_with_its_reason(
    platform: Platform, message: Callable[..., AnnotationMessage], picture: Callable[..., bytes]
) -> None:
    """Each has its reason, its raw bytes, a dead letter and a visible pair; the good ones are not held up."""
    half = wire(message("half", image=picture(width=300, height=300)[:2000]))
    bad = [wire(message(name, **changes)) for name, (changes, _) in BAD.items()]
    await ingest(platform, [wire(message("first")), *bad, half, wire(message("last"))])

    told = await events(platform)
    refused = [event for event in told if isinstance(event, ImageQuarantined)]
    reasons = {name: reason for name, (_, reason) in BAD.items()} | {"half": "picture_truncated"}
    assert {event.name: event.reason for event in refused} == reasons
    assert [event.name for event in told if isinstance(event, ImageSaved)] == ["first", "last"]
    assert await platform.blobs.get(refused[0].raw_sha256) == bad[0].body
    letters = await events(platform, dead_letters.STREAM)
    assert sorted(letter.reason for letter in letters) == sorted(reasons.values())  # type: ignore[union-attr]
    found = shown(platform.home)
    assert found["data"] == {"first", "last"}
    assert {"empty", "range", "nan", "class", "words", "half", "text", "message-8"} <= found["data-corrupted"]
    assert (platform.home / "data-corrupted/labels/nan.txt").read_text() == "0 nan 0.5 0.1 0.1\n"
    assert not [path for path in platform.home.parent.iterdir() if "escaped" in path.name]


async def test_a_bulk_message_applies_to_the_names_that_are_known(
    platform: Platform, message: Callable[..., AnnotationMessage]
) -> None:
    """Unknown and deleted names are dead-lettered one by one; only a message of such names alone is quarantined."""
    await ingest(platform, [wire(each) for each in (
        message("known", by=Role.OPERATOR),
        message("gone"),
        bulk(Action.DELETED, "gone"),
        bulk(Action.VALIDATED, "never", "known", "gone"),
        bulk(Action.VALIDATED, "never"),
        bulk(Action.DELETED),
    )])  # fmt: skip

    refused = [event for event in await events(platform) if isinstance(event, ImageQuarantined)]
    letters = await events(platform, dead_letters.STREAM)
    assert shown(platform.home) == {"data": {"known"}, "data_deleted": {"gone"}}
    assert [(event.name, event.reason) for event in refused] == [
        ("never", "unknown_picture"), ("gone", "picture_deleted"), (None, "unknown_picture"),
    ]  # fmt: skip
    assert [letter.offset for letter in letters] == [3, 3, 4]  # type: ignore[union-attr]
    assert (await counts(platform))["quarantined"] == 1


async def test_a_bulk_message_tells_of_each_reason_once(
    platform: Platform, message: Callable[..., AnnotationMessage]
) -> None:
    """However many names it gives that nobody knows: a few bytes a name are not worth two events each."""
    before = _counted()
    unknown = [f"never-{number}" for number in range(4000)]
    await ingest(
        platform,
        [wire(message("known", by=Role.OPERATOR)), wire(bulk(Action.VALIDATED, "known", *unknown))],
    )

    (letter,) = await events(platform, dead_letters.STREAM)
    refused = [event for event in await events(platform) if isinstance(event, ImageQuarantined)]
    assert [(event.name, event.reason) for event in refused] == [(None, "unknown_picture")]
    assert "4000 names, 'never-0'" in letter.message  # type: ignore[union-attr]
    assert (_counted() - before)["unknown_picture"] == 4000
    assert shown(platform.home) == {"data": {"known"}}


async def test_a_class_that_is_added_makes_its_letters_good(
    tmp_path: Path, message: Callable[..., AnnotationMessage]
) -> None:
    """What was refused for a class that the catalogue lacked is applied once it is there, as what it was called."""
    truck = message(detections=detections_json([(-1, "truck", (0.5, 0.5, 0.2, 0.2))]))
    async with embedded(tmp_path, Catalogue.from_names(["car", "bus"])) as platform:
        await ingest(platform, [wire(truck)])
    (letter,) = await letters_of_home.every(tmp_path)
    assert (letter.reason, "'truck'" in letter.message) == ("unknown_class", True)

    await letters_of_home.requeue(tmp_path, letter)
    async with (
        embedded(tmp_path, Catalogue.from_names(["truck", "car", "bus"])) as platform,
        serving(platform),
        asyncio.timeout(20),
    ):
        while not list(tmp_path.glob("data/labels/roof.txt")):
            await asyncio.sleep(0.02)

    assert (tmp_path / "data/labels/roof.txt").read_text() == "0 0.500000 0.500000 0.200000 0.200000\n"
    assert "data-corrupted" not in shown(tmp_path)


async def test_what_is_told_is_counted_once(
    platform: Platform, message: Callable[..., AnnotationMessage]
) -> None:
    """However often a batch is applied until all that is refused in it is found."""
    before = _counted()
    await ingest(platform, [wire(each) for each in (
        message("known", by=Role.OPERATOR), bulk(Action.VALIDATED, "never"), bulk(Action.VALIDATED, "never", "known"),
    )])  # fmt: skip

    assert _counted() - before == Counter(saved=1, quarantined=2, validated=1, unknown_picture=1)


def _counted() -> Counter[str]:
    told = {kind: EVENTS.labels(f"image.{kind}.v1") for kind in ("saved", "quarantined", "validated")}
    counters = told | {"unknown_picture": NAMES_REFUSED.labels("unknown_picture")}
    return Counter({name: counter._value.get() for name, counter in counters.items()})


@pytest.mark.slow
async def test_everything_adds_up(platform: Platform, message: Callable[..., AnnotationMessage]) -> None:
    """Random bytes, spoilt messages and good ones: in = applied + quarantined, and none of them stops the service."""
    random_of = random.Random(7)
    good = [wire(message(f"good-{index}")) for index in range(20)]
    golden = wire(message("golden"))
    spoilt = [Message(random_of.randbytes(random_of.randrange(1, 60)), golden.properties) for _ in range(60)]
    for _ in range(100):
        body = bytearray(golden.body)
        body[random_of.randrange(len(body))] = random_of.randrange(256)
        spoilt.append(Message(bytes(body), {STATUS_PROPERTY: random_of.choice([10, 20, 30, 40, 50])}))
    spoilt += [Message(golden.body[:end], golden.properties) for end in range(0, len(golden.body), 40)]
    mixed = good + spoilt
    random_of.shuffle(mixed)
    await ingest(platform, mixed)

    count = await counts(platform)
    told = await events(platform)
    assert count["applied"] + count["quarantined"] == count["next_offset"] == len(mixed)
    assert len([event for event in told if isinstance(event, ImageQuarantined)]) == count["quarantined"] > 100
    assert {f"good-{index}" for index in range(20)} <= shown(platform.home)["data"]
    assert "internal_error" not in {event.reason for event in told if isinstance(event, ImageQuarantined)}


async def test_addresses_stay_in_the_ledger(
    platform: Platform,
    message: Callable[..., AnnotationMessage],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No event, dead letter or log line shows who annotated."""
    unusable = message("words", detections="no labels")
    await ingest(platform, [wire(message()), wire(unusable), wire(bulk(Action.DELETED, "x"))])

    told = [record for stream in TOLD for record in await platform.log.read(stream)]
    assert told
    assert not any(b"example.org" in record.body for record in told)
    printed = capsys.readouterr()
    assert "example.org" not in printed.out + printed.err + caplog.text


async def test_views_are_mended_at_the_start(
    platform: Platform, message: Callable[..., AnnotationMessage]
) -> None:
    """Files that people removed or added in a view are put right by the ledger."""
    await ingest(platform, [wire(message("roof")), wire(message("field"))])
    for path in platform.home.glob("data/*/roof.*"):
        path.unlink()
    stranger = platform.home / "data/images/stranger.jpg"
    stranger.write_bytes(b"")

    async with serving(platform), asyncio.timeout(5):
        while stranger.exists() or not list(platform.home.glob("data/labels/roof.txt")):
            await asyncio.sleep(0.01)

    assert shown(platform.home) == {"data": {"roof", "field"}}


async def test_reading_the_stream_again_changes_nothing(
    platform: Platform, message: Callable[..., AnnotationMessage]
) -> None:
    """The same messages a second time have no effect and tell of none."""
    messages = [wire(message(f"roof-{index}", boxes=index)) for index in range(5)]
    await ingest(platform, messages)
    before = await events(platform)

    await ingest(platform, messages)

    assert await events(platform) == before
    count = await counts(platform)
    assert (count["applied"], count["passed_over"]) == (5, 5)


@pytest.mark.slow
async def test_hostile_pictures_hold_nobody_up(
    platform: Platform, message: Callable[..., AnnotationMessage]
) -> None:
    """Each is quarantined with its reason; what comes between them and behind them is applied."""
    names = ("1000 scans", "1 x 64000000", "1.9 million empty chunks", "8000 x 8000 RGBA", "65500 x 1")
    hostile = [wire(message(f"bad-{number}", image=ATTACKS[each][0]())) for number, each in enumerate(names)]
    good = [wire(message(f"good-{number}")) for number in range(len(names) + 1)]
    sent = [each for pair in zip(good, hostile, strict=False) for each in pair] + good[-1:]

    await ingest(platform, sent)

    told = await events(platform)
    refused = {event.name: event.reason for event in told if isinstance(event, ImageQuarantined)}
    assert refused == {f"bad-{number}": ATTACKS[each][1] for number, each in enumerate(names)}
    assert shown(platform.home)["data"] == {f"good-{number}" for number in range(len(good))}


async def test_an_unusual_picture_is_ingested_like_any_other(
    platform: Platform, message: Callable[..., AnnotationMessage]
) -> None:
    """One that is decoded in a process of its own ends up with its size where the others do."""
    await ingest(platform, [wire(message("large", image=png(7000, 8000, colour=3)))])

    (event,) = await events(platform)
    assert isinstance(event, ImageSaved)
    assert (event.width, event.height) == (7000, 8000)


async def test_a_stop_does_not_wait_for_a_picture(
    platform: Platform, message: Callable[..., AnnotationMessage]
) -> None:
    """What is being decoded is let go of, refused by nobody, and read again at the next start."""
    (platform.home / "azaion.yaml").write_text(
        "ingestor: {max_scans: 100000, max_unpacking_ratio: 10000, picture_timeout_s: 60}"
    )
    await platform.log.append(STREAM, [wire(message(image=many_scans(3000)))])
    serving = asyncio.create_task(SERVICE.run(platform))
    async with asyncio.timeout(20):
        while not (processes := decoders()):
            await asyncio.sleep(0.02)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)

    async with asyncio.timeout(5):
        while any(process.exists() for process in processes):
            await asyncio.sleep(0.02)
    assert (await counts(platform))["next_offset"] == 0


def decoders() -> list[Path]:
    """Processes that decode a picture for this one."""
    found = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    return [
        Path("/proc", pid)
        for pids in found
        for pid in pids
        if b"picture_process" in Path("/proc", pid, "cmdline").read_bytes()
    ]
