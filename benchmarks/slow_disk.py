"""This process on a disk that takes longer to flush.

A library that adds a wait to ``fsync``, ``fdatasync`` and ``syncfs`` is preloaded, for which the process starts itself
anew. Servers that it starts are not slowed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_MILLISECONDS, _PRELOAD = "SLOW_DISK_MS", "LD_PRELOAD"


def slow_down(flush_ms: float) -> None:
    """Have every sync of this process take ``flush_ms`` longer; does not return the first time. Needs a C compiler."""
    if flush_ms == 0:
        return
    if _MILLISECONDS in os.environ:
        # Started anew: the library is in memory, and what this process starts gets none.
        shutil.rmtree(Path(os.environ.pop(_PRELOAD)).parent)
        return
    library = Path(tempfile.mkdtemp()) / "slow_disk.so"
    source = Path(__file__).with_suffix(".c")
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    except FileNotFoundError:
        sys.exit("error: --flush-ms needs a C compiler: install one that is called cc")
    environment = os.environ | {_PRELOAD: str(library), _MILLISECONDS: str(flush_ms)}
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)
