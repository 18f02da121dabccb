"""An S3 server on loopback: moto's, which keeps objects in memory and does not check signatures."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Self

from testservers.processes import LOOPBACK, end, free_port, start, wait_for_ports


class PrivateS3:
    """Use as a context manager, or ``start`` and ``stop``. What it held is gone after ``stop``."""

    def __init__(self) -> None:
        self.port = free_port()
        self.access_key, self.secret_key = secrets.token_hex(8), secrets.token_hex(16)
        self._folder = Path(tempfile.mkdtemp(prefix="azaion-s3-"))
        self._log = self._folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def endpoint_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        self._process = start(
            [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(self.port)], self._log
        )
        wait_for_ports([self.port], self._process, self._log, 60)

    def stop(self) -> None:
        if self._process is not None:
            end(self._process)
            self._process = None

    def new_bucket(self) -> str:
        """An empty bucket; its name."""
        name = f"b{secrets.token_hex(6)}"
        request = urllib.request.Request(f"{self.endpoint_url}/{name}", method="PUT")  # noqa: S310 - our own server
        authorization = f"AWS4-HMAC-SHA256 Credential={self.access_key}/20260101/us-east-1/s3/aws4_request"
        request.add_header("Authorization", authorization)
        with urllib.request.urlopen(request, timeout=20):  # noqa: S310
            return name
