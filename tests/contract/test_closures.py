"""What an installation of each service brings along."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

import pytest

HEAVY = {"torch", "torchvision", "ultralytics", "tensorflow"}
SERVICES = ("api", "augmentor", "exporter", "inferencer", "ingestor", "publisher", "trainer")


def closure(distribution: str) -> set[str]:
    """Names of everything that installing ``distribution`` with its default dependencies installs."""
    found: set[str] = set()
    waiting = [(distribution, frozenset[str]())]
    while waiting:
        name, extras = waiting.pop()
        for requirement in _requirements(name, extras):
            match = re.match(r"([A-Za-z0-9._-]+)(?:\[([^]]*)\])?", requirement)
            assert match is not None
            needed = match[1].lower().replace("_", "-")
            if needed not in found:
                found.add(needed)
                waiting.append((needed, frozenset(filter(None, (match[2] or "").split(",")))))
    return found


def _requirements(name: str, extras: frozenset[str]) -> list[str]:
    try:
        declared = requires(name) or []
    except PackageNotFoundError:
        return []  # for another platform
    wanted = [
        line
        for line in declared
        if (extra := re.search(r"extra == ['\"]([^'\"]+)", line)) is None or extra[1] in extras
    ]
    return [line.split(";")[0] for line in wanted]


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_installs_a_training_framework(service: str) -> None:
    """Torch and ultralytics stay in their toolchain: nobody gets them by installing a service."""
    found = closure(f"azaion-{service}")

    assert "pydantic" in found
    assert not found & HEAVY


def test_the_edge_installs_no_web_framework_of_the_server() -> None:
    """An inferencer brings neither the API nor the other services along."""
    found = closure("azaion-inferencer")

    assert {"onnxruntime", "cryptography", "httpx"} <= found
    assert not {f"azaion-{service}" for service in SERVICES} & found
    assert "fastapi" not in found
