"""Streams and queues are named in one place."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from azaion_common.contracts.annotations import wire
from azaion_common.contracts.jobs import QUEUES
from azaion_common.contracts.schemas import STREAMS

ROOT = Path(__file__).parents[2]
SOURCES = [*ROOT.glob("libs/*/src"), *ROOT.glob("services/*/src"), ROOT / "benchmarks"]
HOME = ROOT / "libs/azaion_common/src/azaion_common/contracts"
NAMES = {wire.STREAM, *STREAMS, *QUEUES}
WORDS_TOO = {"exports"}
"""Also a field of what `azaion models` prints."""


def literals(text: str) -> Iterator[str]:
    """Strings of a program, without its docstrings."""
    tree = ast.parse(text)
    prose = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_stream_or_queue_is_named_outside_contracts(source: Path) -> None:
    """A program that types a name by hand does not notice when the name changes."""
    typed = {
        str(path.relative_to(ROOT)): found
        for path in source.rglob("*.py")
        if not path.is_relative_to(HOME)
        and (found := NAMES.intersection(literals(path.read_text())) - WORDS_TOO)
    }

    assert typed == {}


def test_who_may_use_which_stream_and_queue_is_said_of_those_there_are() -> None:
    """deploy/ makes passwords before anything is installed, so it has the names by itself: the same ones."""
    sys.path.insert(0, str(ROOT / "deploy"))
    try:
        from rights import BROKER  # noqa: PLC0415
    finally:
        sys.path.pop(0)
    used = {stream for each in BROKER.values() for stream in (*each.reads, *each.writes)}
    queues = {each.jobs for each in BROKER.values() if each.jobs}

    assert used - {"azaion.acknowledgements"} <= NAMES
    assert queues == set(QUEUES)
