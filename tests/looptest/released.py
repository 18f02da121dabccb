"""A home whose loop went all the way once: pictures, a dataset, a model, a release."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from looptest.drawing import draw_folder, draw_video
from looptest.evidence import Evidence
from looptest.program import TINY, new_home, running, succeed, wait_until, write_settings

PICTURES = 24


@dataclass(frozen=True)
class Released:
    """A home with a published model; no service runs on it. Tests that change it take a ``clone``."""

    home: Path
    pictures: Path
    video: Path
    trained: dict[str, Any]

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.home)

    def clone(self, home: Path) -> Path:
        """A copy with an API port of its own and nothing fetched yet."""
        shutil.copytree(self.home, home, ignore=shutil.ignore_patterns("inferencer", "run"))
        write_settings(home, TINY)
        return home


def release(folder: Path) -> Released:
    """Go all the way, with the commands that users type."""
    pictures = draw_folder(folder / "pictures", PICTURES, seed=1)
    home = new_home(folder / "home")
    evidence = Evidence(home)
    succeed("annotations", "import", pictures, home=home)
    with running(home):
        wait_until(lambda: len(evidence.of_type("batch.augmented")) == PICTURES, "augmented pictures")
        trained = json.loads(succeed("train", "--wait", "--json", home=home))
        wait_until(lambda: evidence.of_type("model.published"), "release")
        wait_until(evidence.settled, "rest")
    return Released(home, pictures, draw_video(folder / "clip.mp4", 40), trained)
