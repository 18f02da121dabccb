"""Child processes that die with their parent, free ports, and waiting for a port."""

from __future__ import annotations

import contextlib
import ctypes
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"
_PORTS = range(20_000, 32_768)
"""Below those that Linux and macOS hand out by themselves."""
_ports = islice(cycle(_PORTS), secrets.randbelow(len(_PORTS)), None)
"""One after the other, so that none is given twice; each process begins somewhere else."""
_PR_SET_PDEATHSIG = 1


def free_port() -> int:
    """One that stays free while its server is down: no outgoing connection gets it, and no socket that asks for any."""
    while True:
        port = next(_ports)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind((LOOPBACK, port))
            return port


def start(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start ``command`` in a session of its own, in ``folder``; the kernel ends it when this process is gone."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no thread of ours holds a lock that it needs
        )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def answers(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), 0.3).close()
    except OSError:
        return False
    return True


def wait_for_ports(
    ports: Sequence[int], process: subprocess.Popen[bytes], log: Path, timeout_s: float = 90
) -> None:
    """Return when all ``ports`` answer; a server that ended first is shown with the end of its log."""
    until = time.monotonic() + timeout_s
    while not all(answers(port) for port in ports):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the server did not come up ({process.args!r}):\n{_tail(log)}")
        time.sleep(0.05)


def wait_for_refusal(port: int, timeout_s: float = 15) -> None:
    """Return when nobody listens any more: sockets outlive a killed process by milliseconds."""
    until = time.monotonic() + timeout_s
    while answers(port):
        if time.monotonic() > until:
            raise RuntimeError(f"port {port} still answers")
        time.sleep(0.02)


def end(process: subprocess.Popen[bytes], *, timeout_s: float = 20) -> None:
    """SIGTERM to the whole family, SIGKILL to what is left."""
    family = _family(process.pid)
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.terminate()
    _, alive = psutil.wait_procs(family, timeout_s)
    for member in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)


def _family(pid: int) -> list[psutil.Process]:
    try:
        head = psutil.Process(pid)
        return [*head.children(recursive=True), head]
    except psutil.NoSuchProcess:
        return []


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else ""
