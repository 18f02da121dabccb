"""A network in which there is nothing but what a test puts there: no way out, no servers, no names.

``python -m faulttest.cut_off``, started in one by ``unshare``, brings its loopback up and holds it until its input ends.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
_UP = b"up\n"


@contextmanager
def cut_off() -> Iterator[list[str]]:
    """What to put before a command that is to run in such a network.

    Without being root the test is skipped; root who may not make one is an error, so that no machine skips it unnoticed.
    """
    if os.geteuid() != 0:
        pytest.skip("a network namespace of its own needs root")
    with subprocess.Popen(
        ["unshare", "--net", "--", sys.executable, "-m", "faulttest.cut_off"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT,
    ) as holder:  # fmt: skip
        assert holder.stdout
        assert holder.stdout.readline() == _UP, "no network namespace could be made: see above"
        yield ["nsenter", f"--net=/proc/{holder.pid}/ns/net", "--"]


def _bring_loopback_up() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


if __name__ == "__main__":
    _bring_loopback_up()
    sys.stdout.buffer.write(_UP)
    sys.stdout.flush()
    sys.stdin.read()
