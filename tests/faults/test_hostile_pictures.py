"""A real ingestor among messages that are made to stop it: what they cost, who else is served, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from faulttest.figures import tell
from looptest.program import PROGRAM, new_home, wait_until
from picturetest.attacks import ATTACKS, jpeg, many_scans

from azaion_annotations.labels import detections_json
from azaion_common.contracts.annotations.profiles import STATUS_PROPERTY, Action, Role
from azaion_common.contracts.annotations.wire import STREAM, AnnotationMessage, encode_annotation
from azaion_common.platform.runtime.platform import open_platform
from azaion_common.platform.runtime.transports import ledger_path
from azaion_common.platform.streams import Message

SLOW_BUT_LEGAL = (44, 40)
END_S = 10.0
MAX_MIB = 400
"""Of the ingestor, among pictures of 22 MB each."""
DECODER_MIB = 256


def message(name: str, image: bytes) -> Message:
    annotation = AnnotationMessage(
        action=Action.CREATED,
        name=name,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        detections=detections_json([(0, "car", (0.5, 0.5, 0.1, 0.1))]),
        image=image,
        role=Role.VALIDATOR,
    )
    return Message(encode_annotation(annotation), {STATUS_PROPERTY: 10})


async def append(home: Path, messages: Sequence[Message]) -> None:
    async with open_platform(home) as platform:
        for one in messages:
            await platform.log.append(STREAM, [one])


@contextmanager
def ingestor(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (
        (home / "log").open("ab") as log,
        subprocess.Popen([*PROGRAM, "run", "ingestor", "--home", str(home)], stderr=log) as process,
    ):
        yield process
        process.kill()


def books(home: Path) -> Mapping[str, Any]:
    path = ledger_path(home, "ingestor")
    if not path.exists():
        return {"next_offset": 0, "applied": 0, "quarantined": 0}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        ledger.row_factory = sqlite3.Row
        try:
            row = ledger.execute("SELECT * FROM inbox_cursor WHERE stream = ?", (STREAM,)).fetchone()
        except sqlite3.OperationalError:
            row = None
        return dict(row) if row else {"next_offset": 0, "applied": 0, "quarantined": 0}


def peak_mib(pid: int) -> float:
    """The most memory that a process had so far; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def is_decoder(pid: str) -> bool:
    """Not while it is still a copy of its parent."""
    try:
        return b"picture_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def decoders_of(pid: int) -> list[int]:
    try:
        found = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(each) for several in found for each in several if is_decoder(each)]


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_every_attack_among_others(tmp_path: Path) -> None:
    """Each of them twice, between good pictures: all good ones are applied, and memory stays bounded."""
    home = new_home(tmp_path / "home")
    hostile = [
        message(f"bad-{n}-{again}", make())
        for again in (1, 2)
        for n, (make, _) in enumerate(ATTACKS.values())
    ]
    good = [message(f"good-{number}", jpeg(640, 480, "RGB")) for number in range(10 * len(hostile))]
    mixed = [
        each for number, bad in enumerate(hostile) for each in (bad, *good[10 * number : 10 * number + 10])
    ]
    asyncio.run(append(home, mixed))
    most: dict[str, float] = {"ingestor": 0, "decoder": 0}

    started = time.monotonic()
    with ingestor(home) as process:
        while books(home)["next_offset"] < len(mixed):
            assert process.poll() is None
            most["ingestor"] = max(most["ingestor"], peak_mib(process.pid))
            most["decoder"] = max([most["decoder"], *map(peak_mib, decoders_of(process.pid))])
            time.sleep(0.02)
        seconds = time.monotonic() - started
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_S) == 0
    found = books(home)
    shown = {path.stem for path in home.glob("data/labels/good-*")}
    tell(
        f"{len(hostile)} hostile and {len(good)} good pictures in {seconds:.1f} s; ingestor {most['ingestor']:.0f} MiB,"
        f" decoder {most['decoder']:.0f} MiB; {found['quarantined']} quarantined"
    )

    assert len(shown) == len(good)
    assert found["applied"] + found["quarantined"] == len(mixed)
    assert most["ingestor"] < MAX_MIB
    assert most["decoder"] < DECODER_MIB


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_stop_under_attack(tmp_path: Path) -> None:
    """With nothing but the slowest legal pictures ahead, it ends in time, no decoder outlives it, and a kill is no different."""
    home = new_home(tmp_path / "home")
    slow = many_scans(SLOW_BUT_LEGAL[0]) + bytes(1 << 20)
    asyncio.run(append(home, [message(f"slow-{number}", slow) for number in range(SLOW_BUT_LEGAL[1])]))

    for number in (signal.SIGTERM, signal.SIGKILL):
        with ingestor(home) as process:
            wait_until(lambda: decoders_of(process.pid), "decoder")
            decoders = decoders_of(process.pid)
            started = time.monotonic()
            process.send_signal(number)
            process.wait(END_S)
            seconds = time.monotonic() - started
            wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in decoders), "end", 5)  # noqa: B023
            tell(f"{number.name} under attack: gone after {seconds:.1f} s")

            assert seconds < END_S
    assert books(home)["quarantined"] == 0
