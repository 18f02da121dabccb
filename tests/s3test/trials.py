"""Every call of the store, each with a judge that looks behind the server for what is really there."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from testservers.s3_faults import Request

from azaion_common.core.errors import AzaionError
from azaion_common.platform.storage.s3 import S3BlobStore
from s3test.rig import PART_BYTES, Rig

DONE = "done"
_BIG = frozenset({"get", "fetch", "read", "put_file"})
_WRITES = frozenset({"put", "put_file"})
_CALLS = ("get", "fetch", "read", "size", "delete", "list", "put", "put_file")


@dataclass(frozen=True)
class Trial:
    """One call on one blob that no other trial touches."""

    call: str
    rig: Rig
    folder: Path
    data: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    async def run(self, store: S3BlobStore) -> bool:
        """Make the call; whether what it said is true."""
        result = await _run(self, store)
        return await asyncio.to_thread(_is_true, self, result)

    def requests(self) -> list[Request]:
        """Those that the server got because of this trial."""
        if self.call == "list":
            return [request for request in self.rig.server.requests if "list-type" in request.query]
        return self.rig.requests(self.sha256)

    def most_repeated(self) -> int:
        """How often the server got the request that it got most often."""
        same = Counter(
            (
                request.method,
                request.target,
                request.headers.get("range"),
                request.headers.get("if-none-match"),
            )
            for request in self.requests()
        )
        return max(same.values(), default=0)


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: ``DONE``, or the code of an error."""

    trial: Trial
    code: str
    true: bool
    took_s: float
    requests: int = field(default=0)


def prepare(rig: Rig, folder: Path, name: str) -> list[Trial]:
    """One trial for each call; what is to be read is there already."""
    folder.mkdir(exist_ok=True)
    trials = []
    for call in _CALLS:
        data = f"{name} {call} ".encode() * (PART_BYTES // 8 if call in _BIG else 5)
        trial = Trial(call, rig, folder, data[: 2 * PART_BYTES + 99])
        if call in _WRITES:
            (folder / call).write_bytes(trial.data)
        else:
            rig.store_behind(rig.location.key(trial.sha256), trial.data)
        trials.append(trial)
    return trials


async def outcome(trial: Trial, store: S3BlobStore) -> Outcome:
    started, code, true = time.monotonic(), DONE, True
    try:
        true = await trial.run(store)
    except AzaionError as error:
        code = error.code
    return Outcome(trial, code, true, time.monotonic() - started, len(trial.requests()))


async def _run(trial: Trial, store: S3BlobStore) -> object:
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "get": lambda: store.get(trial.sha256),
        "fetch": lambda: store.fetch(trial.sha256, trial.folder / "fetched"),
        "read": lambda: _all_of(store, trial.sha256),
        "size": lambda: store.size(trial.sha256),
        "delete": lambda: store.delete(trial.sha256),
        "list": lambda: _listed(store),
        "put": lambda: store.put(trial.data, "text/plain"),
        "put_file": lambda: store.put_file(trial.folder / "put_file", "text/plain"),
    }
    return await calls[trial.call]()


async def _all_of(store: S3BlobStore, sha256: str) -> bytes:
    return b"".join([chunk async for chunk in store.read(sha256)])


async def _listed(store: S3BlobStore) -> set[str]:
    return {blob.sha256 async for blob in store.list()}


def _is_true(trial: Trial, result: object) -> bool:
    match trial.call:
        case "get" | "read":
            return result == trial.data
        case "fetch":
            return (trial.folder / "fetched").read_bytes() == trial.data
        case "size":
            return result == len(trial.data)
        case "delete":
            return trial.rig.stored(trial.sha256) is None
        case "list":
            return isinstance(result, set) and trial.sha256 in result
        case _:
            return trial.rig.stored(trial.sha256) == trial.data
