"""What a service is to the runtime that starts it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table

from azaion_common.platform.runtime.platform import Platform


@dataclass(frozen=True, slots=True)
class Derived:
    """What of a service's ledger follows from its streams alone, so that a replay comes to the same."""

    tables: tuple[Table, ...]
    ignored: tuple[Column[Any], ...] = ()
    """Columns of these tables that something else writes."""


@dataclass(frozen=True, slots=True)
class Service:
    """Found through the entry point group ``azaion.services``.

    ``run`` serves until ``platform.stopping`` is set, then finishes or abandons what it does within 15 s and
    returns. An exception that leaves it ends the process: a service is never half dead.
    """

    name: str
    summary: str
    run: Callable[[Platform], Coroutine[Any, Any, None]]
    derived: Derived | None = None
    remake: Callable[[Platform, Collection[str]], Coroutine[Any, Any, None]] | None = None
    """``remake(platform, {sha256, ...})`` puts those of the blobs again that the service can make of others. It may be
    called beside the running service, and passes over what it cannot make."""
