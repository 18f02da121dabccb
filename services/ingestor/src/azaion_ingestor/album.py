"""The pictures that one transaction is about: read in one go, changed in memory, written in one go."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from azaion_ingestor import records
from azaion_ingestor.pictures import Picture


class Album:
    """Of one transaction; ``save`` before it ends."""

    def __init__(self, connection: Connection, names: Iterable[str]) -> None:
        """``names`` are all that will be asked for."""
        self._connection = connection
        self._before = records.load(connection, names)
        self._now = dict(self._before)

    def get(self, name: str) -> Picture | None:
        """The picture called ``name`` as it is by now."""
        return self._now.get(name)

    def put(self, picture: Picture) -> None:
        self._now[picture.name] = picture

    def save(self) -> None:
        """Write what has changed."""
        changed = [(self._before.get(name), after) for name, after in self._now.items()]
        records.store(self._connection, [(before, after) for before, after in changed if after is not before])
