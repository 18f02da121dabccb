"""What a service is to the runtime that starts it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table

from azaion_common.runtime.platform import Platform


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
