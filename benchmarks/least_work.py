"""What ingest cannot do without: receive a message with ``rstream``, decode its picture once, store it as a file.

Nothing that a ledger, an event or a label costs is in it. Spread over all processors without a gap, it is the shortest
time that can be hoped for, and the plain consumer's time over it the largest ratio.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path

import msgpack
import psutil

from azaion_annotations.pictures import inspect_picture
from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.streams import Message

STORED_TOGETHER = 64


async def least_seconds(receiving: Awaitable[object], folder: Path, messages: Sequence[Message]) -> float:
    """For all of ``messages``; ``receiving`` takes them from the broker and does nothing with them."""
    before = _busy_seconds()
    await receiving
    received = _busy_seconds() - before
    pictures = [msgpack.unpackb(message.body, strict_map_key=False)[6] for message in messages]
    started = time.process_time()
    for picture in pictures:
        inspect_picture(picture)
    await _store(FileBlobStore.open(folder), pictures)
    return (received + time.process_time() - started) / (os.cpu_count() or 1)


async def _store(store: FileBlobStore, pictures: Sequence[bytes]) -> None:
    for first in range(0, len(pictures), STORED_TOGETHER):
        together = pictures[first : first + STORED_TOGETHER]
        await asyncio.gather(*(store.put(picture, "image/jpeg") for picture in together))


def _busy_seconds() -> float:
    """Of all processors of the machine: the broker's work is part of receiving."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)
