"""Services as the store knows them: they store and read without end, and come back when a call failed for now."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import TransientError
from s3test.rig import PART_BYTES, Rig


@dataclass
class Callers:
    """Several at once; what they know in the end is judged by what lies behind the server."""

    rig: Rig
    seed: int
    acknowledged: list[str] = field(default_factory=list)
    wrong_reads: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    _over: bool = False

    @asynccontextmanager
    async def calling(self, number: int) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            for caller in range(number):
                group.create_task(self._call(random.Random(self.seed + caller)))
            yield
            self._over = True

    async def seconds_until(self, more: int, limit_s: float) -> float:
        """How long it takes until so many more blobs are acknowledged."""
        started, wanted = time.monotonic(), len(self.acknowledged) + more
        async with asyncio.timeout(limit_s):
            while len(self.acknowledged) < wanted:
                await asyncio.sleep(0.02)
        return time.monotonic() - started

    def lost(self) -> list[str]:
        """Blobs that were acknowledged and are not there, or not as they were."""
        return [name for name in self.acknowledged if _sha256(self.rig.stored(name) or b"") != name]

    async def _call(self, chance: random.Random) -> None:
        while not self._over:
            data = chance.randbytes(chance.choice((10, 1000, 2 * PART_BYTES)))
            await self._put(data)
            await self._get(chance.choice(self.acknowledged))
            await asyncio.sleep(0.02)

    async def _put(self, data: bytes) -> None:
        pauses = Backoff(0.05, 1)
        while True:
            started = time.monotonic()
            try:
                blob = await self.rig.store.put(data, "a/b")
            except TransientError:
                await asyncio.sleep(pauses.next())
            else:
                self.acknowledged.append(blob.sha256)
                return
            finally:
                self.slowest_s = max(self.slowest_s, time.monotonic() - started)

    async def _get(self, sha256: str) -> None:
        try:
            if _sha256(await self.rig.store.get(sha256)) != sha256:
                self.wrong_reads.append(sha256)
        except TransientError:
            return


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
