"""Hints name packages that can be installed, and none that a stranger could register."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from azaion_common.core.extras import install_hint

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(("extra", "package"), [("production", "aio-pika"), ("traces", "opentelemetry-sdk")])
def test_a_hint_names_what_an_extra_needs(extra: str, package: str) -> None:
    """A command for the Python that lacks it, with published names."""
    command = shlex.split(install_hint(extra))

    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert any(word.startswith(package) for word in command[4:])
    assert not [word for word in command[4:] if word.startswith("azaion")]


def test_nothing_advises_to_install_our_own_packages_from_a_registry() -> None:
    """They are in none, so the name is open to whoever takes it."""
    pattern = re.compile(r"pip3? install[^\n]*azaion[-_]\w+")
    folders = [ROOT / "libs", ROOT / "services", ROOT / "toolchains" / "ultralytics" / "src", ROOT / "docs"]
    texts = [
        path for folder in folders for suffix in ("py", "md", "toml") for path in folder.rglob(f"*.{suffix}")
    ]
    advising = [
        str(path.relative_to(ROOT))
        for path in texts
        if ".venv" not in path.parts and "tests" not in path.parts and pattern.search(path.read_text())
    ]

    assert advising == []
