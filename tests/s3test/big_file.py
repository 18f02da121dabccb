"""A process of its own that stores a big file and fetches it again, and prints how many MiB of memory that took.

``python -m s3test.big_file FOLDER MIB``, with the store's location as JSON on standard input.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path

from azaion_common.platform.storage.s3 import S3BlobStore, S3Location


async def run(location: S3Location, folder: Path, size_mib: int) -> float:
    source = folder / "source"
    with source.open("wb") as file:
        for number in range(size_mib):
            file.write(number.to_bytes(4, "big") * (1 << 18))
    async with S3BlobStore.open(location) as store:
        small = await store.put(bytes(100_000), "a/b")
        await store.fetch(small.sha256, folder / "small")
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        blob = await store.put_file(source, "application/octet-stream")
        await store.fetch(blob.sha256, folder / "fetched")
        async for _ in store.read(blob.sha256):
            pass
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024


if __name__ == "__main__":
    used_mib = asyncio.run(run(S3Location(**json.load(sys.stdin)), Path(sys.argv[1]), int(sys.argv[2])))
    print(f"{used_mib:.1f}")  # noqa: T201 - its result
