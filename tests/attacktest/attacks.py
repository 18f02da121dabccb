"""What strangers send. Each attack goes on while its block runs, from one thread; each is bounded."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from attacktest.raw import Address, connect

TICK_S = 0.1
MEGABYTE = 1_000_000
HEAD = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@contextmanager
def silent(address: Address, count: int = 600) -> Iterator[None]:
    """Connections that never say anything."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(connect(address))
        yield


@contextmanager
def slow_heads(address: Address, count: int = 300) -> Iterator[None]:
    """A head that comes byte by byte and never ends."""
    with _dripping(address, b"GET /livez HTTP/1.1\r\nHost: a\r\n", count):
        yield


@contextmanager
def slow_bodies(address: Address, count: int = 300) -> Iterator[None]:
    """A short body that is announced, and comes byte by byte."""
    with _dripping(address, HEAD + b"Content-Length: 5000\r\n\r\n", count):
        yield


@contextmanager
def slow_readers(address: Address, count: int = 100) -> Iterator[None]:
    """Questions one after the other, and nobody takes the answers."""
    questions = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 200
    with ExitStack() as stack:
        for _ in range(count):
            sock = stack.enter_context(connect(address))
            sock.settimeout(0.01)
            with suppress(OSError):
                sock.sendall(questions)
        yield


@contextmanager
def churn(address: Address) -> Iterator[None]:
    """Connections that are opened and reset at once, as fast as one thread can."""

    def once(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        sock.close()

    with _over_and_over(address, 1, once):
        yield


@contextmanager
def wrong_passwords(address: Address, count: int = 8) -> Iterator[None]:
    """Guesses, each another one, on several connections."""
    guesses = iter(range(1_000_000))

    def once(sock: socket.socket) -> None:
        body = json.dumps({"email": "admin@azaion.local", "password": f"guess {next(guesses)}"}).encode()
        sock.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        sock.recv(4096)

    with _over_and_over(address, count, once):
        yield


@contextmanager
def big_bodies(address: Address, count: int = 4) -> Iterator[None]:
    """Logins of 15 MB, over and over."""
    body = many_keys(15 * MEGABYTE)

    def once(sock: socket.socket) -> None:
        sock.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    with _over_and_over(address, count, once):
        yield


def many_keys(size_bytes: int) -> bytes:
    """A JSON object of about so many bytes, in names that nobody asked for."""
    keys = ",".join(f'"{number}":0' for number in range(size_bytes // 10))
    return ("{" + keys + "}").encode()


@contextmanager
def _dripping(address: Address, start: bytes, count: int) -> Iterator[None]:
    """``count`` connections that begin with ``start`` and go on with a byte every tick; lost ones are opened again."""
    sockets: list[socket.socket] = []

    def tick() -> None:
        for sock in list(sockets):
            try:
                sock.send(b"x")
            except OSError:
                sockets.remove(sock)
                sock.close()
        while len(sockets) < count:
            sock = connect(address)
            sockets.append(sock)
            with suppress(OSError):
                sock.sendall(start)

    with _repeated(tick):
        yield
    for sock in sockets:
        sock.close()


@contextmanager
def _over_and_over(address: Address, count: int, once: Callable[[socket.socket], None]) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(_repeated(lambda: _try(address, once), pause_s=0))
        yield


def _try(address: Address, once: Callable[[socket.socket], None]) -> None:
    with suppress(OSError), connect(address) as sock:
        once(sock)


@contextmanager
def _repeated(work: Callable[[], None], pause_s: float = TICK_S) -> Iterator[None]:
    """Have ``work`` done again and again, in a thread, while the block runs."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(pause_s):
            with suppress(OSError):
                work()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(15)


ATTACKS: Sequence[Callable[[Address], object]] = (
    silent,
    slow_heads,
    slow_bodies,
    slow_readers,
    churn,
    wrong_passwords,
    big_bodies,
)
