"""Resources: named bytes that never change once they are there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from azaion_api.ports import Database, Files, Readings
from azaion_api.tables import RESOURCES
from azaion_common.contracts.annotations.names import is_safe_name
from azaion_common.core.errors import PermanentError

_SMALL_BYTES = 64 * 1024
_MOST_AT_HAND = 128


@dataclass(frozen=True, slots=True)
class Resource:
    """What is known of one resource."""

    folder: str
    name: str
    sha256: str
    size_bytes: int


@dataclass
class Resources:
    """Rows name the bytes, the bytes lie under their hash: a half-written upload is never visible."""

    database: Database
    readings: Readings
    files: Files
    _at_hand: dict[tuple[str, str], tuple[Resource, bytes]] = field(default_factory=dict)
    """Small ones that were fetched lately: a fleet fetches the same one, and it never changes."""

    async def add(self, folder: str, name: str, data: bytes, created_by: str) -> tuple[Resource, bool]:
        """Store ``data``; True when it is new, False when the same bytes were there already.

        Raises:
            PermanentError: ``unsafe_name``, or ``resource_exists`` when the name holds other bytes.
        """
        resource = Resource(
            check_name(folder), check_name(name), hashlib.sha256(data).hexdigest(), size_bytes=len(data)
        )
        if await self.readings.read(lambda connection: _is_there(connection, resource)):
            return resource, False
        await self.files.put(data, "application/octet-stream")
        is_new = await self.database.transact(lambda connection: _insert(connection, resource, created_by))
        return resource, is_new

    async def get(self, folder: str, name: str) -> tuple[Resource, bytes]:
        """A resource and its bytes, hash checked.

        Raises:
            PermanentError: ``unsafe_name``, ``resource_missing``; ``blob_missing`` or ``blob_corrupt`` when the bytes
                were lost.
        """
        folder, name = check_name(folder), check_name(name)
        if at_hand := self._at_hand.get((folder, name)):
            return at_hand
        found = await self.readings.read(lambda connection: _find(connection, folder, name))
        if found is None:
            raise PermanentError("resource_missing", f"there is no {name} in {folder}")
        data = await self.files.get(found.sha256)
        self._keep_at_hand(found, data)
        return found, data

    def _keep_at_hand(self, resource: Resource, data: bytes) -> None:
        if resource.size_bytes > _SMALL_BYTES:
            return
        self._at_hand[resource.folder, resource.name] = (resource, data)
        if len(self._at_hand) > _MOST_AT_HAND:
            del self._at_hand[next(iter(self._at_hand))]


def check_name(name: str) -> str:
    """``name`` itself, when it can name a file anywhere.

    Raises:
        PermanentError: ``unsafe_name`` for separators, ``..``, leading dots, control characters, more than 128 characters.
    """
    if not is_safe_name(name):
        raise PermanentError(
            "unsafe_name",
            "names are 1 to 128 letters, digits, '.', '_' or '-', begin with a letter or digit, no '..'",
        )
    return name


def _find(connection: Connection, folder: str, name: str) -> Resource | None:
    where = (RESOURCES.c.folder == folder) & (RESOURCES.c.name == name)
    row = connection.execute(select(RESOURCES).where(where)).one_or_none()
    return Resource(row.folder, row.name, row.sha256, row.size_bytes) if row else None


def _is_there(connection: Connection, resource: Resource) -> bool:
    found = _find(connection, resource.folder, resource.name)
    if found is not None and found.sha256 != resource.sha256:
        raise PermanentError(
            "resource_exists",
            f"{resource.folder}/{resource.name} exists with other bytes",
            hint="use another name",
        )
    return found is not None


def _insert(connection: Connection, resource: Resource, created_by: str) -> bool:
    if _is_there(connection, resource):
        return False
    connection.execute(
        RESOURCES.insert().values(
            folder=resource.folder,
            name=resource.name,
            sha256=resource.sha256,
            size_bytes=resource.size_bytes,
            created_by=created_by,
            created_at=datetime.now(UTC),
        )
    )
    return True
