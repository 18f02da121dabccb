"""What the embedded log hands out at a time fits into the memory of who reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from azaion_common.platform.streams import Message, sqlite
from azaion_common.platform.streams.sqlite import SqliteEventLog


async def test_large_messages_come_in_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch has more bytes than are allowed, unless its one message has; none is left out."""
    monkeypatch.setattr(sqlite, "MAX_BATCH_BYTES", 100)
    sizes = [60, 60, 40, 30, 30, 30, 300, 1, 1]
    async with SqliteEventLog.open(tmp_path / "log.db") as log:
        await log.append("s", [Message(bytes(size)) for size in sizes])
        batches, at = [], 0
        while batch := await log.read("s", at, limit=4):
            batches.append([len(record.body) for record in batch])
            at = batch[-1].offset + 1

    assert batches == [[60], [60, 40], [30, 30, 30], [300], [1, 1]]
