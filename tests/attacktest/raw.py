"""HTTP by hand, so that it can be wrong."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass

Address = tuple[str, int]
PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back until the server ended the connection, or had answered."""

    status: int
    """0 when the connection ended without an answer."""
    text: bytes
    seconds: float


def connect(address: Address) -> socket.socket:
    return socket.create_connection(address, timeout=PATIENCE_S)


def ask(address: Address, request: bytes) -> Answer:
    """Send ``request``, whatever it is, and take what comes back until the connection ends or nothing comes for long."""
    started = time.perf_counter()
    with connect(address) as sock:
        with suppress(OSError):
            sock.sendall(request)
        text = _all_of(sock)
    status = int(text[9:12]) if text[:5] == b"HTTP/" else 0
    return Answer(status, text, time.perf_counter() - started)


def _all_of(sock: socket.socket) -> bytes:
    text = b""
    with suppress(OSError):
        while not _is_whole(text) and (piece := sock.recv(65536)):
            text += piece
    return text


def _is_whole(text: bytes) -> bool:
    head, end, body = text.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if end and line.startswith(b"content-length:"):
            return len(body) >= int(line[15:])
    return False
