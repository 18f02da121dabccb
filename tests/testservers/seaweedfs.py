"""A real S3 server on loopback: SeaweedFS from its wheel, with the options, accounts and certificates of a deployment."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from testservers.processes import LOOPBACK, end, free_port, start, wait_for_ports

_PARTS = ("master", "volume", "filer", "s3")
_START_S = 60.0


class PrivateSeaweed:
    """Use as a context manager. What it held is gone afterwards.

    Args:
        command: arguments of ``weed`` as compose.tls.yaml has them; folders, addresses and ports are replaced.
        security: its ``security.toml``.
        secrets: files by their names under ``/run/secrets``.
    """

    def __init__(self, command: Sequence[str], security: str, secrets: Mapping[str, Path]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="azaion-weed-"))
        self.ports = {name: free_port() for part in _PARTS for name in (part, f"{part} grpc")}
        self.ports["s3 https"] = free_port()
        self._command = self._on_loopback(command)
        for name, path in secrets.items():
            self._command = [each.replace(f"/run/secrets/{name}", str(path)) for each in self._command]
            security = security.replace(f'"/run/secrets/{name}"', f'"{path}"')
        (self._folder / "security.toml").write_text(security)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        log = self._folder / "log"
        weed = str(Path(sys.executable).with_name("weed"))
        self._process = start([weed, *self._command], log, folder=self._folder)
        wait_for_ports(list(self.ports.values()), self._process, log, _START_S)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process, timeout_s=1)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def endpoint_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['s3']}"

    def client(self, access_key: str, secret_key: str) -> Any:
        """A plain client of boto3, which tries once."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            region_name="us-east-1",
            config=Config(
                retries={"total_max_attempts": 1},
                request_checksum_calculation="when_required",
                s3={"addressing_style": "path"},
            ),
        )

    def make_buckets(self, client: Any, *names: str) -> None:
        """As soon as the server's parts have found each other."""
        until = time.monotonic() + _START_S
        for name in names:
            while True:
                try:
                    client.create_bucket(Bucket=name)
                    break
                except (ClientError, BotoCoreError):
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.1)

    def _on_loopback(self, command: Sequence[str]) -> list[str]:
        own = {
            "-dir": str(self._folder),
            "-ip": "localhost",
            "-ip.bind": LOOPBACK,
            "-s3.ip.bind": LOOPBACK,
            "-metricsIp": LOOPBACK,
            "-metricsPort": str(free_port()),
            "-s3.port.https": str(self.ports["s3 https"]),
            "-master.volumeSizeLimitMB": "64",
        }
        for part in _PARTS:
            own |= {
                f"-{part}.port": str(self.ports[part]),
                f"-{part}.port.grpc": str(self.ports[f"{part} grpc"]),
            }
        kept = [each for each in command if each.partition("=")[0] not in own]
        return [*kept, *(f"{name}={value}" for name, value in own.items())]
