"""The figures of a fault run, shown at once with ``-s`` and for all tests at the end of the run."""

from __future__ import annotations

_told: list[str] = []


def tell(line: str) -> None:
    print(line)  # noqa: T201 - whoever watches a long run wants to see it
    _told.append(line)


def take() -> list[str]:
    """What was told since the last time."""
    taken = list(_told)
    _told.clear()
    return taken
