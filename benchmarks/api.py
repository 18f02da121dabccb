"""The API handing out small parts beside the least that a web framework does to hand out the same bytes.

Ours checks a token, looks the name up in the ledger, reads the file, and checks and states its SHA-256. The peer is Starlette's
``FileResponse`` behind plain uvicorn: no account, no ledger, no checksum. Both are processes of their own; clients keep
their connections and ask again as soon as they are answered. Rounds are interleaved, figures are medians; ``cpu_ratio`` is of the
processor time per answer, which other work on the machine does not change.

    python benchmarks/api.py [--clients 50 190] [--seconds 3] [--rounds 5] [--bytes 3072] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from uuid import uuid4

PEER = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route
async def part(request):
    return FileResponse(sys.argv[1])
uvicorn.run(Starlette(routes=[Route("/part", part)]), port=int(sys.argv[2]), http="h11", ws="none", access_log=False, log_level="error")
"""
START_S = 60.0


@dataclass(frozen=True)
class Subject:
    """A server and the request that is sent to it."""

    name: str
    pid: int
    port: int
    request: bytes

    @property
    def cpu_s(self) -> float:
        """Processor time that the server has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Round:
    """What one round saw."""

    seconds: float
    cpu_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.latencies_s) / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Processor time of the server per answer."""
        return self.cpu_s * 1000 / len(self.latencies_s)

    @property
    def p99_ms(self) -> float:
        return sorted(self.latencies_s)[int(len(self.latencies_s) * 0.99)] * 1000 if self.latencies_s else 0.0


class Client(asyncio.Protocol):
    """Asks, takes the whole answer, asks again."""

    def __init__(self, request: bytes, expected: bytes, seen: Round) -> None:
        self._request, self._expected, self._seen = request, expected, seen
        self._answer = bytearray()
        self._asked_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.endswith(self._expected):
            return
        self._seen.latencies_s.append(time.perf_counter() - self._asked_at)
        self._answer.clear()
        self._ask()

    def _ask(self) -> None:
        self._asked_at = time.perf_counter()
        self.transport.write(self._request)


async def run_round(subject: Subject, expected: bytes, clients: int, seconds: float) -> Round:
    """Load ``subject`` with so many clients; what is answered in the first half second is not counted."""
    loop, seen = asyncio.get_running_loop(), Round(seconds)
    made = [
        await loop.create_connection(
            lambda: Client(subject.request, expected, seen), "127.0.0.1", subject.port
        )
        for _ in range(clients)
    ]
    await asyncio.sleep(0.5)
    seen.latencies_s.clear()
    cpu_s = subject.cpu_s
    await asyncio.sleep(seconds)
    done = Round(seconds, subject.cpu_s - cpu_s, list(seen.latencies_s))
    for transport, _ in made:
        transport.abort()
    return done


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def process(*arguments: str) -> Iterator[int]:
    """A program while the block runs; its process id."""
    started = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        yield started.pid
    finally:
        started.terminate()
        started.wait(30)


def wait_for(port: int) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nobody answers on port {port}")


def post(url: str, body: bytes, content_type: str, token: str | None = None) -> bytes:
    headers = {"Content-Type": content_type} | ({"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=START_S) as answer:  # noqa: S310
        content: bytes = answer.read()
        return content


@contextmanager
def our_api(folder: Path, part: bytes) -> Iterator[Subject]:
    """A running API that holds ``part``, and the request for it with a device's token."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    home = folder / "home"
    home.mkdir()
    (home / "azaion.yaml").write_text(
        f"platform: {{api_url: '{url}', log_level: error}}\napi: {{token_lifetime_s: 3600}}\n"
    )
    with process("-m", "azaion_common.platform.cli.root", "run", "api", "--home", str(home)) as pid:
        wait_for(port)
        urllib.request.urlopen(f"{url}/livez", timeout=START_S).close()  # noqa: S310 - ours
        tokens = {}
        for role in ("service", "device"):
            account = (home / "secrets" / f"{role}.json").read_bytes()
            tokens[role] = json.loads(post(f"{url}/login", account, "application/json"))["token"]
        form = (
            b'--b\r\nContent-Disposition: form-data; name="data"; filename="part"\r\n\r\n'
            + part
            + b"\r\n--b--\r\n"
        )
        post(f"{url}/resources/models", form, "multipart/form-data; boundary=b", tokens["service"])
        body = b'{"fileName":"part"}'
        head = (
            "POST /resources/get/models HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {tokens['device']}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield Subject("azaion", pid, port, head.encode() + body)


@contextmanager
def peer(folder: Path, part: bytes) -> Iterator[Subject]:
    """The same bytes from a plain file response."""
    port, path = free_port(), folder / "part"
    path.write_bytes(part)
    with process("-c", PEER, str(path), str(port)) as pid:
        wait_for(port)
        yield Subject("file response", pid, port, b"GET /part HTTP/1.1\r\nHost: a\r\n\r\n")


def measure(
    clients: Sequence[int], seconds: float, rounds: int, part_bytes: int
) -> dict[str, dict[str, float]]:
    """Requests per second and the 99th percentile of both, by number of clients."""
    part = os.urandom(part_bytes - 32) + uuid4().hex.encode()
    results: dict[str, dict[str, float]] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        our_api(Path(name), part) as ours,
        peer(Path(name), part) as theirs,
    ):
        for count in clients:
            seen: dict[str, list[Round]] = {ours.name: [], theirs.name: []}
            for _ in range(rounds):
                for subject in (ours, theirs):
                    seen[subject.name].append(asyncio.run(run_round(subject, part[-32:], count, seconds)))
            results[f"{count} clients"] = _summary(seen[ours.name], seen[theirs.name])
    return results


def _summary(ours: Sequence[Round], theirs: Sequence[Round]) -> dict[str, float]:
    ratios = [mine.per_second / other.per_second for mine, other in zip(ours, theirs, strict=True)]
    return {
        "ratio": statistics.median(ratios),
        "per_second": statistics.median(each.per_second for each in ours),
        "peer_per_second": statistics.median(each.per_second for each in theirs),
        "cpu_ratio": statistics.median(
            other.cpu_ms / mine.cpu_ms for mine, other in zip(ours, theirs, strict=True)
        ),
        "cpu_ms": statistics.median(each.cpu_ms for each in ours),
        "peer_cpu_ms": statistics.median(each.cpu_ms for each in theirs),
        "p99_ms": statistics.median(each.p99_ms for each in ours),
        "peer_p99_ms": statistics.median(each.p99_ms for each in theirs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, nargs="+", default=[50, 190])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bytes", type=int, default=3072)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = measure(options.clients, options.seconds, options.rounds, options.bytes)
    if options.json:
        print(json.dumps(results))
        return
    for name, result in results.items():
        print(f"{name}: {', '.join(f'{key} {value:.2f}' for key, value in result.items())}")


if __name__ == "__main__":
    main()
