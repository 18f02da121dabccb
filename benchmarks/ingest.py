"""The ingestor over the embedded log, beside the loop that it replaces: picture, label and offset file per message.

The plain loop reads the same log and keeps the same promise for each file (temporary file, fsync, rename, fsync of the
folder), one message after the other. It looks at nothing: ``checked`` is the same loop with the ingestor's own checks of
picture and labels. The ingestor's clock stops when every picture is visible in ``data/``, its events are on the stream
and nothing is due; ``committed`` says when its ledger had everything. Rounds are interleaved, figures are medians.

    python benchmarks/ingest.py [--messages 600] [--rounds 5] [--folder DIR] [--flush-ms 0] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgpack
import numpy as np
from PIL import Image
from slow_disk import slow_down

from azaion_annotations.labels import detections_json, parse_detections
from azaion_annotations.pictures import inspect_picture
from azaion_common.contracts.annotations.profiles import STATUS_PROPERTY, Action, Role
from azaion_common.contracts.annotations.wire import STREAM, AnnotationMessage, encode_annotation
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import images
from azaion_common.core.logging import configure_logging
from azaion_common.platform.streams import Message, Record
from azaion_common.testing import platform as embedded
from azaion_ingestor.app import SERVICE

SIZES = {"480p": (640, 480), "720p": (1280, 720)}
BUDGET = 3.0
BOXES = ((0.5, 0.5, 0.1, 0.1), (0.2, 0.3, 0.05, 0.08), (0.7, 0.6, 0.2, 0.1), (0.9, 0.2, 0.1, 0.1))
CATALOGUE = Catalogue.from_names(["car", "bus"])

Round = Callable[[Path, Sequence[Message]], Coroutine[None, None, dict[str, float]]]


def make_messages(count: int, size: tuple[int, int]) -> list[Message]:
    """Created messages with pictures that differ, of about the detail that photographs have."""
    random_of = np.random.default_rng(1)
    return [_message(index, _jpeg(random_of, size)) for index in range(count)]


def _jpeg(random_of: np.random.Generator, size: tuple[int, int]) -> bytes:
    coarse = random_of.integers(0, 256, (size[1] // 6, size[0] // 6, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(out, "JPEG", quality=88)
    return out.getvalue()


def _message(index: int, image: bytes) -> Message:
    annotation = AnnotationMessage(
        action=Action.CREATED,
        name=f"picture-{index:06}",
        created_at=datetime(2024, 5, 6, tzinfo=UTC),
        detections=detections_json((number % 2, "car", box) for number, box in enumerate(BOXES)),
        image=image,
        image_extension=".jpg",
        role=Role.VALIDATOR,
    )
    return Message(encode_annotation(annotation), {STATUS_PROPERTY: 10})


async def ours(folder: Path, messages: Sequence[Message]) -> dict[str, float]:
    """Seconds until the ingestor has committed everything, and until everything is shown and told."""
    async with embedded(folder, CATALOGUE) as platform:
        await platform.log.append(STREAM, messages)
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            group.create_task(SERVICE.run(platform))
            while await platform.log.end(images.STREAM) < len(messages):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            told = time.perf_counter() - started
            platform.stopping.set()
        finished = time.perf_counter() - started
        assert len(list((folder / "data/labels").iterdir())) == len(messages)  # noqa: S101
    return {"ours": finished, "told": told}


async def plain(folder: Path, messages: Sequence[Message]) -> dict[str, float]:
    """Seconds of the plain loop."""
    return {"plain": await _loop(folder, messages, check=False)}


async def checked(folder: Path, messages: Sequence[Message]) -> dict[str, float]:
    """Seconds of the plain loop that also decodes each picture and checks each label."""
    return {"checked": await _loop(folder, messages, check=True)}


async def _loop(folder: Path, messages: Sequence[Message], *, check: bool) -> float:
    async with embedded(folder) as platform:
        await platform.log.append(STREAM, messages)
        for part in ("images", "labels"):
            (folder / "data" / part).mkdir(parents=True)
        started = time.perf_counter()
        offset, end = 0, await platform.log.end(STREAM)
        while offset < end:
            for record in await platform.log.read(STREAM, offset):
                handle(folder, record, check=check)
                offset = record.offset + 1
        return time.perf_counter() - started


def handle(folder: Path, record: Record, *, check: bool) -> None:
    """Write picture, label and offset of one message, each durably."""
    fields = msgpack.unpackb(record.body, strict_map_key=False)
    if check:
        inspect_picture(fields[6])
        parse_detections(fields[5], CATALOGUE)
    lines = [
        f"{each['cls']} {each['x']} {each['y']} {each['w']} {each['h']}\n" for each in json.loads(fields[5])
    ]
    _write(folder / "data/images" / f"{fields[1]}{fields[4]}", fields[6])
    _write(folder / "data/labels" / f"{fields[1]}.txt", "".join(lines).encode())
    _write(folder / "offset.yaml", f"offset: {record.offset}\n".encode())


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def measure(messages: Sequence[Message], rounds: int, folder: Path) -> dict[str, float]:
    """Median seconds of each contestant, and ratios of the plain loops to ours (higher is better)."""
    contestants: list[Round] = [ours, plain, checked]
    seconds: dict[str, list[float]] = {}
    for number in range(rounds):
        for run in contestants[number % 3 :] + contestants[: number % 3]:
            place = Path(tempfile.mkdtemp(dir=folder))
            for name, taken in asyncio.run(run(place, messages)).items():
                seconds.setdefault(name, []).append(taken)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = {f"{name}_ratio": medians[name] / medians["ours"] for name in ("plain", "checked")}
    return medians | ratios | {"messages_per_s": len(messages) / medians["ours"]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--messages", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, help="where the files go (default: the system's temporary folder)"
    )
    parser.add_argument("--flush-ms", type=float, default=0.0, help="added to every sync of the disk")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    slow_down(options.flush_ms)
    configure_logging("warning")
    results: dict[str, dict[str, float]] = {}
    # Removed at the end only: for a minute after many files were deleted, ext4 is slow to make new ones.
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name, size in SIZES.items():
            messages = make_messages(options.messages, size)
            figures = measure(messages, options.rounds, Path(folder))
            kilobytes = sum(len(message.body) for message in messages) / len(messages) / 1000
            results[name] = figures | {"message_kb": kilobytes, "budget": BUDGET}
    print(json.dumps(results) if options.json else _table(results))


def _table(results: dict[str, dict[str, float]]) -> str:
    lines = ["pictures  kB/message  ours s  told s  plain s  plain/ours  checked s  checked/ours  messages/s"]
    lines += [
        f"{name:<8}  {row['message_kb']:10.0f}  {row['ours']:6.2f}  {row['told']:6.2f}  {row['plain']:7.2f}"
        f"  {row['plain_ratio']:10.2f}  {row['checked']:9.2f}  {row['checked_ratio']:12.2f}  {row['messages_per_s']:10.0f}"
        for name, row in results.items()
    ]
    return "\n".join([*lines, f"budget: plain/ours >= {BUDGET}"])


if __name__ == "__main__":
    main()
