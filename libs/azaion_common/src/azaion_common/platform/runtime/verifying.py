"""Are all blobs what their names say, and where can those that are not be had again?

A blob that has rotted is put again from where its bytes still are: a file that people browse and that is a copy of its
own, the messages that brought the pictures in, or a service that can make it of other blobs. What cannot be had again is
left as it is, and named.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from azaion_common.contracts.events import BatchAugmented, Event, ImageDeleted, ImageSaved, datasets, images
from azaion_common.contracts.events.codec import UnknownEventType, decode
from azaion_common.core.errors import PermanentError, SetupError
from azaion_common.platform.runtime.healing import MEDIA_TYPE, heal, is_sound, records
from azaion_common.platform.runtime.home import VIEWS
from azaion_common.platform.runtime.platform import Platform, open_platform
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.throwing_away import unneeded
from azaion_common.platform.runtime.transports import blobs_path, check_exists
from azaion_common.platform.runtime.verification import Verification, remember
from azaion_common.platform.storage import BlobStore
from azaion_common.platform.storage.files import FileBlobStore

AT_ONCE = 4
_log = structlog.get_logger(__name__)
Progress = Callable[[int], None]
"""Told how many blobs were looked at so far."""


@dataclass
class _Found:
    blobs: int = 0
    size_bytes: int = 0
    rotten: set[str] = field(default_factory=set)
    inodes: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Healed:
    blobs: Collection[str] = ()
    missing: Collection[str] = ()
    links: int = 0


@dataclass(frozen=True, slots=True)
class _Told:
    shown: Mapping[str, str]
    missing: set[str]


async def verify(home: Path, progress: Progress, *, with_heal: bool = False) -> Verification:
    """Read and hash every blob; with ``with_heal``, mend what can be mended. Services may be at work meanwhile.

    Raises:
        PermanentError: ``home_missing``, and what the transports raise.
        TransientError: from the transports.
    """
    settings = PlatformSettings.load(home, "platform")
    check_exists(home, settings)
    async with open_platform(home, settings) as platform:
        found = await _look(platform.blobs, _files(home, settings), progress)
        healed = await _heal(platform, found) if with_heal else _Healed()
    lost = found.rotten - set(healed.blobs)
    result = Verification(
        at=datetime.now(UTC),
        blobs=found.blobs,
        size_bytes=found.size_bytes,
        rotten=tuple(sorted(found.rotten)),
        healed=tuple(sorted(healed.blobs)),
        missing=tuple(sorted(healed.missing)),
        links_mended=healed.links,
        unneeded=tuple(sorted(await asyncio.to_thread(unneeded, home, settings, lost))),
    )
    try:
        await asyncio.to_thread(remember, home, result)
    except SetupError as error:
        _log.warning("verification.not_remembered", code=error.code, error=error.message)
    return result


def _files(home: Path, settings: PlatformSettings) -> FileBlobStore | None:
    return FileBlobStore(blobs_path(home)) if settings.blobs_url is None else None


async def _look(blobs: BlobStore, files: FileBlobStore | None, progress: Progress) -> _Found:
    found, slots, running = _Found(), asyncio.Semaphore(AT_ONCE), set[asyncio.Task[None]]()

    async def look(sha256: str, size_bytes: int) -> None:
        try:
            if not await is_sound(blobs, sha256):
                found.rotten.add(sha256)
        finally:
            slots.release()
        found.blobs += 1
        found.size_bytes += size_bytes
        progress(found.blobs)

    async for blob in blobs.list():
        await slots.acquire()
        if files is not None:
            with suppress(FileNotFoundError):  # taken away since it was listed
                found.inodes[files.path(blob.sha256).stat().st_ino] = blob.sha256
        task = asyncio.create_task(look(blob.sha256, blob.size_bytes))
        running.add(task)
        task.add_done_callback(running.discard)
        for done in [each for each in running if each.done()]:
            done.result()
    await asyncio.gather(*running)
    return found


async def _heal(platform: Platform, found: _Found) -> _Healed:
    """Put what can be had again, and have everything that people browse show it."""
    strays = await asyncio.to_thread(_strays, platform.home, found.inodes) if found.inodes else []
    told = await _told(platform, {path.stem for path, _ in strays})
    wanted = found.rotten | told.missing
    healed: set[str] = set()
    for path, sha256 in strays:
        if sha256 in wanted - healed:
            await platform.blobs.put_file(path, MEDIA_TYPE)
            healed.add(sha256)
    healed |= await heal(platform, wanted - healed)
    links = await _link_again(platform, found.inodes, healed)
    for path, sha256 in strays:
        right = told.shown.get(path.stem)
        if path.parent.name == "images" and right not in (None, sha256, *(wanted - healed)):
            await platform.blobs.fetch(str(right), path)
            links += 1
    return _Healed(healed, told.missing, links)


def _strays(home: Path, inodes: Mapping[int, str]) -> list[tuple[Path, str]]:
    """Files that people browse and that are no links to blobs, with their SHA-256."""
    return [(path, _sha256(path)) for path in _browsed(home) if path.stat().st_ino not in inodes]


async def _link_again(platform: Platform, inodes: Mapping[int, str], healed: Collection[str]) -> int:
    """Files that still show the rotten bytes of blobs that are sound again get those; how many."""
    if not inodes:
        return 0
    linked = [(path, inodes.get(path.stat().st_ino)) for path in _browsed(platform.home)]
    rotten = [(path, sha256) for path, sha256 in linked if sha256 is not None and sha256 in healed]
    for path, sha256 in rotten:
        await platform.blobs.fetch(sha256, path)
    return len(rotten)


def _browsed(home: Path) -> Iterator[Path]:
    for view in VIEWS:
        yield from (path for path in (home / view).rglob("*") if path.is_file() and not path.is_symlink())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _told(platform: Platform, names: Collection[str]) -> _Told:
    """What the streams say of pictures: which are missing from the store, and what files of ``names`` should show."""
    pictures: dict[str, str] = {}
    shown: dict[str, str] = {}
    async for event in _events(platform, images.STREAM):
        if isinstance(event, ImageSaved):
            pictures[event.name] = event.image.sha256
        elif isinstance(event, ImageDeleted):
            pictures.pop(event.name, None)
    async for event in _events(platform, datasets.STREAM):
        if isinstance(event, BatchAugmented):
            shown |= {each.name: each.image.sha256 for each in event.variants if each.name in names}
    shown |= {name: sha256 for name, sha256 in pictures.items() if name in names}
    missing = {sha256 for sha256 in set(pictures.values()) if await platform.blobs.size(sha256) is None}
    return _Told(shown, missing)


async def _events(platform: Platform, stream: str) -> AsyncIterator[Event]:
    async for record in records(platform, stream):
        with suppress(UnknownEventType, PermanentError):  # whoever consumes it has told of it
            yield decode(record.body).event
