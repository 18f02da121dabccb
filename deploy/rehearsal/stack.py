"""The containers of one rehearsal."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.engine import RehearsalError, run

ROOT = Path(__file__).parents[2]
FILES = ("compose.yaml", "compose.tls.yaml", "deploy/rehearsal/compose.yaml")
HEALTHY_S = 240.0
PROMETHEUS = "http://127.0.0.1:9090"
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@dataclass
class Stack:
    """``compose.yaml`` as a project of its own."""

    environment: Mapping[str, str]
    seconds_to_health: dict[str, float] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)

    def compose(self, *arguments: str, timeout_s: float = 1800) -> str:
        files = [part for file in FILES for part in ("-f", file)]
        return run(
            "docker",
            "compose",
            *files,
            *arguments,
            environment=self.environment,
            timeout_s=timeout_s,
            cwd=ROOT,
        )

    def docker(self, *arguments: str) -> str:
        return run("docker", *arguments, environment=self.environment, cwd=ROOT)

    def up(self) -> None:
        """Start everything and wait until it is healthy; notes how long each took."""
        started = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            going_up = pool.submit(self.compose, "up", "-d", "--no-build")
            self.wait_healthy(started, going_up)
            going_up.result()
        self.wait_healthy(started)

    def wait_healthy(self, started: float | None = None, going_up: Future[str] | None = None) -> None:
        since = started or time.monotonic()
        while True:
            states = {each["Service"]: each for each in self.containers()}
            for service, state in states.items():
                if _is_well(state) and started:
                    self.seconds_to_health.setdefault(service, time.monotonic() - since)
            ill = sorted(service for service, state in states.items() if not _is_well(state))
            if states and not ill:
                return
            if going_up is not None and going_up.done():
                going_up.result()  # what it could not do is the reason
            if time.monotonic() - since > HEALTHY_S:
                logs = self.compose("logs", "--tail", "15", *ill)
                raise RehearsalError(f"not healthy after {HEALTHY_S:g} s: {', '.join(ill)}\n{logs}")
            time.sleep(0.5)

    def containers(self) -> list[dict[str, Any]]:
        """As they are now; asked again when one went away while the list was made, as happens during ``up``."""
        while True:
            try:
                lines = self.compose("ps", "-a", "--format", "json").splitlines()
                return [json.loads(line) for line in lines]
            except RehearsalError as error:
                if "No such container" not in str(error):
                    raise

    def kill(self, service: str) -> None:
        """As if its machine had lost power; it is started again, as compose does after a crash."""
        container = self.compose("ps", "-q", service).strip()
        self.docker("kill", "-s", "KILL", container)
        self.docker("start", container)

    def sql(self, query: str) -> list[str]:
        """Rows of a query on the ledgers' database."""
        program = 'PGPASSWORD=$(cat /run/secrets/postgres_password) psql -h 127.0.0.1 -U azaion -d azaion -At -c "$0"'
        return self.compose("exec", "-T", "postgres", "sh", "-c", program, query).splitlines()

    def azaion(self, service: str, *arguments: str) -> str:
        """A command inside the container of ``service``."""
        return self.compose("exec", "-T", service, "azaion", *arguments)

    def operator(self, *arguments: str) -> str:
        """A command under the account that may look at everything."""
        return self.compose("run", "--rm", "-T", "operator", *arguments)

    def watch_memory(self, stop: threading.Event) -> None:
        """Until ``stop``: the most memory that each container was seen with."""
        while not stop.wait(2.0):
            try:
                lines = self.docker(
                    "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"
                ).splitlines()
            except RehearsalError:
                continue  # one went away while it was asked
            for line in lines:
                name, used = line.split()[:2]
                service = name.rsplit("-", 1)[0].partition("-rehearsal-")[2]
                self.peak_bytes[service] = max(self.peak_bytes.get(service, 0), _bytes(used))

    def down(self) -> None:
        """Everything goes, volumes too.

        Raises:
            RehearsalError: something of the project is left.
        """
        self.compose("down", "-v", "--remove-orphans", "-t", "10")
        project = self.environment["COMPOSE_PROJECT_NAME"]
        label = f"label=com.docker.compose.project={project}"
        left = [
            self.docker(*command, "-q", "--filter", label)
            for command in (("ps", "-a"), ("volume", "ls"), ("network", "ls"))
        ]
        if any(text.strip() for text in left):
            raise RehearsalError(f"down -v left something behind: {left}")


def query(expression: str) -> list[dict[str, Any]]:
    """The series that Prometheus has for ``expression`` now."""
    text = urllib.parse.urlencode({"query": expression.replace("$__rate_interval", "2m")})
    with urllib.request.urlopen(f"{PROMETHEUS}/api/v1/query?{text}", timeout=20) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def value(expression: str) -> float:
    """The only value of ``expression``, 0 when there is none."""
    found = query(expression)
    return float(found[0]["value"][1]) if found else 0.0


def _is_well(state: Mapping[str, Any]) -> bool:
    if state["Service"] in ("setup", "blobs-owner"):
        return bool(state["State"] == "exited" and state["ExitCode"] == 0)
    return bool(state["State"] == "running" and state["Health"] == "healthy")


def _bytes(text: str) -> int:
    found = re.fullmatch(r"([\d.]+)([A-Za-z]+)", text)
    return int(float(found[1]) * _UNITS[found[2]]) if found else 0
