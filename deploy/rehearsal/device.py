"""An edge device beside the system: to it a machine of its own, with nothing but the folder that `make device` has made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rehearsal.engine import RehearsalError, run
from rehearsal.loop import wait_for
from rehearsal.stack import ROOT

NAME = "roof"
HOST = "10.231.87.1"
"""Where the device finds the server: this machine's address in the device's network."""
_NETWORK, _SUBNET = "azaion-rehearsal-edge", "10.231.87.0/28"
_PORTS = ("AZAION_API_BIND", "AZAION_STREAMS_BIND", "AZAION_S3_BIND")
_PATIENCE_S = 180.0
_METRICS = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9400/metrics', timeout=10).read().decode())"


def opened_ports() -> dict[str, str]:
    """The variables that open to the device's network what a device needs, and nothing else."""
    return dict.fromkeys(_PORTS, HOST)


@contextmanager
def network(environment: Mapping[str, str]) -> Iterator[None]:
    """The device's network; it has to be there before the server's ports are opened to it."""
    run(
        "docker",
        "network",
        "create",
        "--subnet",
        _SUBNET,
        "--gateway",
        HOST,
        _NETWORK,
        environment=environment,
    )
    try:
        yield
    finally:
        run("docker", "network", "rm", _NETWORK, environment=environment)


@dataclass(frozen=True)
class Device:
    """One device, by its folder."""

    folder: Path
    environment: Mapping[str, str]

    def up(self) -> None:
        """Say what to watch, as its owner would, and start it."""
        settings = self.folder / "azaion.yaml"
        text = settings.read_text().replace("# source: rtsp://camera/stream", "source: /media")
        settings.chmod(0o644)
        settings.write_text(text)
        self.compose("up", "-d")

    def wait_for_release(self, number: int) -> float:
        """Seconds until it runs release ``number`` and has looked at a picture with it."""

        def runs() -> bool:
            lines = self.compose("exec", "-T", "inferencer", "python", "-c", _METRICS).splitlines()
            looked = [
                each for each in lines if each.startswith('azaion_inferencer_frames_total{fate="inferred"')
            ]
            return any(f'release="{number}"' in each for each in lines) and any(
                float(each.split()[-1]) > 0 for each in looked
            )

        try:
            return wait_for(f"the device on release {number}", runs, _PATIENCE_S)
        except RehearsalError as error:
            raise RehearsalError(f"{error}\n{self.compose('logs', '--tail', '20')}") from error

    def intrude(self) -> dict[str, str]:
        """Try what its accounts must not allow, from inside it; what became of each try.

        Raises:
            RehearsalError: something was allowed, or what a device needs was refused.
        """
        program = (Path(__file__).parent / "intrusions.py").read_text()
        found: dict[str, dict[str, str]] = json.loads(
            self.compose("exec", "-T", "inferencer", "python", "-c", program, HOST)
        )
        allowed = [what for what, became in found["refused"].items() if became.startswith("ALLOWED")]
        hindered = [f"{what}: {became}" for what, became in found["needed"].items() if became != "ALLOWED"]
        if allowed or hindered:
            raise RehearsalError(f"a device may do {allowed}, and may not do {hindered}")
        return found["refused"]

    def down(self) -> None:
        self.compose("down", "-v", "-t", "5")

    def compose(self, *arguments: str) -> str:
        files = (
            "-f",
            str(self.folder / "compose.yaml"),
            "-f",
            str(ROOT / "deploy/rehearsal/edge.compose.yaml"),
        )
        return run(
            "docker",
            "compose",
            "--project-name",
            _NETWORK,
            "--project-directory",
            str(self.folder),
            *files,
            *arguments,
            environment=self.environment,
        )
