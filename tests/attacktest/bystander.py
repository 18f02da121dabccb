"""Somebody who only wants to be served, while others attack."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from attacktest.raw import Address, ask

PAUSE_S = 0.02
QUESTION = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
OK = 200


@dataclass
class Experience:
    """How long each answer took, and how many were no answer."""

    seconds: list[float] = field(default_factory=list)
    failures: int = 0

    @property
    def slow(self) -> float:
        """The time that 95 of 100 answers kept."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.95)] if self.seconds else float("inf")

    def __str__(self) -> str:
        middle = sorted(self.seconds)[len(self.seconds) // 2] if self.seconds else float("inf")
        worst = max(self.seconds, default=float("inf"))
        return (
            f"{len(self.seconds)} served, {self.failures} not; "
            f"p50 {middle * 1e3:.1f} ms, p95 {self.slow * 1e3:.1f} ms, max {worst * 1e3:.0f} ms"
        )


@contextmanager
def bystander(address: Address) -> Iterator[Experience]:
    """Ask, on a new connection each time, while the block runs."""
    experience, stop = Experience(), threading.Event()

    def loop() -> None:
        while not stop.wait(PAUSE_S):
            try:
                answer = ask(address, QUESTION)
            except OSError:
                experience.failures += 1
                continue
            if answer.status == OK:
                experience.seconds.append(answer.seconds)
            else:
                experience.failures += 1

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield experience
    finally:
        stop.set()
        thread.join(30)
