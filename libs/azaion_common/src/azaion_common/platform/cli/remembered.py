"""The few records of a stream that a command looks for, remembered: each look reads what is new, not everything again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgpack
import structlog

from azaion_common.contracts.events.codec import UnknownEventType, decode, type_of
from azaion_common.contracts.events.envelope import Envelope
from azaion_common.core.durable import make_folder, storage_errors, write_file
from azaion_common.core.errors import AzaionError, PermanentError
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import check_exists, open_log
from azaion_common.platform.streams import EventLog

WORTH_KEEPING = 500
"""So many new records are kept in the file; fewer are read again in no time."""
_PAGE = 1000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Memory:
    """What was read: everything before ``offset``, whose last record has the SHA-256 ``after``."""

    offset: int = 0
    after: bytes = b""
    bodies: tuple[bytes, ...] = ()


class Remembered:
    """Records of ``types`` in ``stream``, kept in the folder ``cache`` of ``home``: it may be removed at any time."""

    def __init__(self, home: Path, stream: str, types: Sequence[str]) -> None:
        wanted = hashlib.sha256("\n".join(sorted(types)).encode()).hexdigest()[:16]
        self._path = home / "cache" / f"{stream}-{wanted}.msgpack"
        self._stream = stream
        self._types = frozenset(types)

    async def bodies(self, log: EventLog) -> Sequence[bytes]:
        """The bodies of all such records that the stream holds or held, oldest first.

        Raises:
            AzaionError: what the log raises.
        """
        known = await self._still_true(log, self._load())
        now = known
        while records := await log.read(self._stream, now.offset, limit=_PAGE):
            found = tuple(record.body for record in records if type_of(record.body) in self._types)
            last = records[-1]
            after = hashlib.sha256(last.body).digest()
            now = replace(now, offset=last.offset + 1, after=after, bodies=(*now.bodies, *found))
        if now.offset - known.offset >= WORTH_KEEPING:
            self._keep(now)
        return now.bodies

    async def _still_true(self, log: EventLog, known: _Memory) -> _Memory:
        """``known``, if the log still holds what was read last; a log that was made anew is read from its beginning."""
        if known.offset == 0:
            return known
        before = await log.read(self._stream, known.offset - 1, limit=1)
        is_there = bool(before) and before[0].offset == known.offset - 1
        return known if is_there and hashlib.sha256(before[0].body).digest() == known.after else _Memory()

    def _load(self) -> _Memory:
        with suppress(OSError, ValueError, TypeError, msgpack.exceptions.UnpackException):
            offset, after, bodies = msgpack.unpackb(self._path.read_bytes())
            return _Memory(int(offset), bytes(after), tuple(bodies))
        return _Memory()

    def _keep(self, memory: _Memory) -> None:
        try:
            with storage_errors(self._path):
                make_folder(self._path.parent)
            write_file(self._path, msgpack.packb((memory.offset, memory.after, memory.bodies)), mode=0o600)
        except AzaionError as error:
            _log.info("stream.not_remembered", stream=self._stream, code=error.code, error=error.message)


async def remembered_events(home: Path, stream: str, types: Sequence[str]) -> list[Envelope]:
    """Every event of ``types`` on ``stream`` of ``home``; what cannot be read is in the services' quarantine.

    Raises:
        PermanentError: ``home_missing``.
    """
    settings = PlatformSettings.load(home, "platform")
    check_exists(home, settings)
    async with open_log(home, settings) as log:
        bodies = await Remembered(home, stream, tuple(types)).bodies(log)
    envelopes = []
    for body in bodies:
        with suppress(UnknownEventType, PermanentError):
            envelopes.append(decode(body))
    return envelopes
