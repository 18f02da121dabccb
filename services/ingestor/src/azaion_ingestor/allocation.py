"""Memory of large messages goes back to the system.

glibc learns from the sizes that it sees: after one message of 20 MB, blocks of up to that size come from its heaps, and
stay there between others. Among such messages, the ingestor held twice of what it used.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE_BYTES = 16 << 20
"""More than the pixels of a picture of 2560 x 1440: a block from the system costs a page fault for each 4 KiB of it."""
KEPT_BYTES = 64 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""<malloc.h>"""


def give_back_large_blocks() -> None:
    """For this process; where the C library is another one, it is left as it is."""
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
