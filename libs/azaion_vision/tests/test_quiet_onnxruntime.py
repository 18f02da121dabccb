"""ONNX Runtime tells nobody of us."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_onnx_runtime_makes_no_telemetry_files(tmp_path: Path) -> None:
    """A process that loads a runtime leaves no device id and no queue of events to send."""
    program = "import time; import azaion_vision.runtimes.onnx; time.sleep(0.5)"
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"}

    subprocess.run([sys.executable, "-c", program], check=True, env=home, timeout=60)

    assert [path.name for path in tmp_path.rglob("*") if "onnx" in path.name.lower()] == []
