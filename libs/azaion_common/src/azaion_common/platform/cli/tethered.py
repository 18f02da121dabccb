"""``azaion`` as the child of another program: ``python -m azaion_common.platform.cli.tethered PARENT_PID COMMAND …``.

It is told to stop when the parent dies, however that dies.
"""

from __future__ import annotations

import signal
import sys

from azaion_common.core.lifeline import die_with_parent
from azaion_common.platform.cli.root import main

if __name__ == "__main__":
    die_with_parent(int(sys.argv.pop(1)), told=signal.SIGTERM)
    main()
