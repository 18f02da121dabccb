"""Documents point at what is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")


def documents() -> list[Path]:
    """Markdown files that the repository has."""
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).exists()]


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_of_the_repository(document: Path) -> None:
    """A file that moved takes the links to it along."""
    missing = [link for link in _LINK.findall(document.read_text()) if not (document.parent / link).exists()]

    assert missing == []


@pytest.mark.parametrize(
    "package", sorted([*ROOT.glob("libs/azaion_*"), *ROOT.glob("services/*")]), ids=lambda path: path.name
)
def test_every_package_says_what_it_is(package: Path) -> None:
    """A README; of a service also what it reads, writes and shows, and where its settings are."""
    text = (package / "README.md").read_text()
    rows = (
        ("| reads |", "| writes |", "| shows |", "| settings |") if package.parent.name == "services" else ()
    )

    assert text.startswith("# ")
    assert [row for row in rows if row not in text] == []
