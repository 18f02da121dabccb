"""Nothing is logged or counted inside a transaction, in any package: a transaction that fails is done again."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOGGING = {"debug", "info", "warning", "error", "critical", "exception"}
COUNTING = {"inc", "dec", "observe", "set", "set_to_current_time"}
TRANSACTION = {"connection", "open_", "album"}
"""What a function that runs inside a transaction is given is called so everywhere, or holds the connection."""


def told_inside(source: str) -> list[str]:
    """Calls that log or count in functions that are given a connection, the functions inside them among them."""
    functions = (
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.Lambda)
    )
    inside = [each for each in functions if TRANSACTION & {argument.arg for argument in each.args.args}]
    return sorted(
        {f"line {call.lineno}: {ast.unparse(call)[:60]}" for each in inside for call in _telling(each)}
    )


def _telling(function: ast.FunctionDef | ast.Lambda) -> Iterator[ast.Call]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            logs = owner == "_log" and node.func.attr in LOGGING
            counts = owner.startswith(("metrics.", "gauge", "counter")) and node.func.attr in COUNTING
            if logs or counts:
                yield node


@pytest.mark.parametrize(
    "package", sorted(ROOT.glob("libs/*")) + sorted(ROOT.glob("services/*")), ids=lambda path: path.name
)
def test_no_transaction_logs_or_counts(package: Path) -> None:
    """What is to be told once goes through ``after_commit``."""
    found = {
        str(path.relative_to(ROOT)): told
        for path in (package / "src").rglob("*.py")
        if (told := told_inside(path.read_text()))
    }

    assert found == {}


def test_a_call_inside_is_found_and_one_behind_the_commit_is_not() -> None:
    """Also in a function inside the one that is given the connection."""
    source = """
def finish(connection):
    metrics.RUNS.labels("failed").inc()
    after_commit(connection, metrics.RUNS.labels("failed").inc)
    after_commit(connection, partial(_log.info, "told"))
    def inner():
        _log.info("told twice")
"""

    assert told_inside(source) == [
        "line 3: metrics.RUNS.labels('failed').inc()",
        "line 7: _log.info('told twice')",
    ]
