"""The README's lines for one's own pictures, followed as a script: nothing waits for ever, and none of them trips over another."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from looptest.drawing import draw_folder, draw_video
from testservers.processes import free_port

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(1800)]
README = Path(__file__).parents[2] / "README.md"
RUNS = int(os.environ.get("AZAION_TEST_README_RUNS", "1"))  # noqa: TID251 - how often, on a busy machine for instance
QUICK = {
    "AZAION_TRAINER__EPOCHS": "2",
    "AZAION_TRAINER__IMGSZ": "64",
    "AZAION_TRAINER__MIN_MAP50": "0",
    "AZAION_TRAINER__THREADS": "1",
    "AZAION_TRAINER__DEVICE": "cpu",
    "AZAION_EXPORTER__THREADS": "1",
}


def lines_of_the_readme() -> str:
    """The block that follows "To keep it running instead", with what a reader puts in."""
    found = re.search(r"To keep it running instead:\n\n```\n(.+?)```", README.read_text(), re.DOTALL)
    assert found is not None
    return (
        found[1]
        .replace(".venv/bin/azaion", f"{sys.executable} -m azaion_common.platform.cli.root")
        .replace(" DIR ", " set ")
    )


@pytest.mark.parametrize("run", range(RUNS))
def test_the_lines_work_one_after_the_other(run: int, tmp_path: Path) -> None:
    """Import, services in the background, a training at once, inference, lineage, doctor: as they stand, without a pause."""
    draw_folder(tmp_path / "set", 40, seed=run)
    draw_video(tmp_path / "video.mp4", 20)
    # A line that fails must not leave the services behind: they hold the output that this test waits for.
    clean_up = "trap 'kill -TERM $(jobs -p) 2>&- || true' EXIT"
    script = f"set -eu\n{clean_up}\n{lines_of_the_readme()}kill -TERM $!; wait $! || test $? -eq 143\n"
    environment = {
        **os.environ,  # noqa: TID251 - for the child
        **QUICK,
        "AZAION_PLATFORM__API_URL": f"http://127.0.0.1:{free_port()}",
    }

    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out.mp4").stat().st_size > 0
    assert "release 1" in done.stdout
    assert json.loads((tmp_path / "my-home/run/up.json").read_text())["url"]
