"""What the API needs from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from azaion_common.contracts.events.references import BlobRef

T = TypeVar("T")


class Readings(Protocol):
    """Reading the service's tables: ``read`` runs a function on one consistent state, several at a time."""

    async def read(self, work: Callable[[Connection], T], /) -> T: ...


class Database(Readings, Protocol):
    """The service's ledger: ``transact`` runs a function in one transaction, one after the other."""

    async def transact(self, work: Callable[[Connection], T], /) -> T: ...


class Files(Protocol):
    """Content-addressed bytes of the API itself: never those of the blob store, which holds the big halves."""

    async def put(self, data: bytes, media_type: str) -> BlobRef: ...

    async def get(self, sha256: str) -> bytes: ...
