"""What is to happen once a transaction is durable, counting and logging for two: a transaction that fails is done again."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

Action = Callable[[], object]
_KEY = "azaion.after_commit"


def after_commit(connection: Connection, action: Action) -> None:
    """Have the ledger call ``action``, which must not raise, behind the commit of the transaction under way."""
    connection.info.setdefault(_KEY, []).append(action)


def take_actions(connection: Connection) -> list[Action]:
    """What was asked for since this was called last."""
    actions: list[Action] = connection.info.pop(_KEY, [])
    return actions
