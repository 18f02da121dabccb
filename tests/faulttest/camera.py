"""A camera on a network: ``python -m faulttest.camera PORT`` sends one picture after the other, as MJPEG over HTTP."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
from looptest.drawing import draw
from testservers.processes import LOOPBACK, end, free_port, start

_PICTURE_S = 0.04
_BOUNDARY = "picture"


class _Pictures(BaseHTTPRequestHandler):
    """Whoever asks is sent pictures until he goes."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace;boundary={_BOUNDARY}")
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(_part(_picture()))
                time.sleep(_PICTURE_S)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Nobody reads it."""


@dataclass
class Camera:
    """One that a test takes away and brings back. ``inside`` is what to put before the command, ``log`` what it says."""

    inside: Sequence[str]
    log: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/live"

    def bring(self) -> None:
        command = [*self.inside, sys.executable, "-m", "faulttest.camera", str(self.port)]
        self._process = start(command, self.log, folder=Path(__file__).parents[1])

    def take_away(self) -> None:
        if self._process is not None:
            end(self._process)
            self._process = None


def _picture() -> bytes:
    pixels, _ = draw(np.random.default_rng())
    done, data = cv2.imencode(".jpg", pixels)
    assert done
    return data.tobytes()


def _part(jpeg: bytes) -> bytes:
    head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    return head.encode() + jpeg + b"\r\n"


if __name__ == "__main__":
    ThreadingHTTPServer((LOOPBACK, int(sys.argv[1])), _Pictures).serve_forever()
