"""``azaion`` before a witness, by a clock that is moved: ``python -m faulttest.witnessed SYNCED CLOCK ARGUMENT…``.

Into SYNCED goes a line ``SIZE PATH`` after each fsync: so long was the file when it began, and so much of it is safe from a
power cut. CLOCK is the file of a ``MovedClock``.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from faulttest.clock import follow


def watch(file: int) -> None:
    """From now on each fsync of this process is told."""
    fsync = os.fsync

    def told(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        fsync(descriptor)
        os.write(file, f"{size} {path}\n".encode())

    os.fsync = told  # type: ignore[assignment]


def synced(file: Path) -> dict[Path, int]:
    """How much of each file is safe; the last word counts."""
    said = (line.partition(" ") for line in file.read_text().splitlines())
    return {Path(path): int(size) for size, _, path in said}


if __name__ == "__main__":
    watch(os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC))
    follow(Path(sys.argv.pop(1)))
    runpy.run_module("azaion_common.platform.cli.root", run_name="__main__", alter_sys=True)
