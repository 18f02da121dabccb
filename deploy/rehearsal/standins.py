"""Images that cannot be pulled here, made from Debian, PyPI and nothing else under the names that compose expects.

They run the same servers, but not the upstream images' entrypoints: what those do stays unverified.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rehearsal.engine import RehearsalError, run

FOLDER = Path(__file__).parent / "standins"
PYTHON = "python:3.11-slim-bookworm"
DEBIAN = "azaion-standin/debian:trixie"
PULL_S = 120
_MIRROR = "http://deb.debian.org/debian"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PATH = "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


@contextmanager
def images(wanted: Sequence[str], environment: Mapping[str, str]) -> Iterator[list[str]]:
    """Have the engine hold ``wanted`` while the block runs; which of them are stand-ins."""
    with _wheels_of_this_machine() as wheels:
        yield [image for image in (PYTHON, *wanted) if _have(image, environment, wheels)]


def _have(image: str, environment: Mapping[str, str], wheels: str | None) -> bool:
    if not _label(image, environment):
        if _pulled(image, environment):
            return False
        print(f"making a stand-in for {image}", flush=True)
        _make(image, environment, wheels)
    return _label(image, environment) == "standin"


def _label(image: str, environment: Mapping[str, str]) -> str:
    """``standin``, ``real``, or nothing when the engine does not hold it."""
    command = ["docker", "image", "inspect", "-f", "{{.Config.Labels}}", image]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environment))
    if done.returncode:
        return ""
    return "standin" if "azaion.standin" in done.stdout else "real"


def _pulled(image: str, environment: Mapping[str, str]) -> bool:
    try:
        run("docker", "pull", "-q", image, environment=environment, timeout_s=PULL_S)
    except (RehearsalError, subprocess.TimeoutExpired):
        return False
    return True


def _make(image: str, environment: Mapping[str, str], wheels: str | None) -> None:
    if image == PYTHON:
        settings = ["ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt"] + (
            [f"ENV PIP_FIND_LINKS={wheels}"] if wheels else []
        )
        _bootstrap(
            image,
            "bookworm",
            "python3,python3-pip,python3-venv,ca-certificates,passwd",
            settings,
            environment,
        )
        return
    name = image.rpartition("/")[2].partition(":")[0]
    file = FOLDER / f"{name}.Dockerfile"
    if not file.exists():
        raise RehearsalError(f"{image} cannot be pulled, and there is no stand-in for it")
    if f"FROM {DEBIAN}" in file.read_text() and not _label(DEBIAN, environment):
        _bootstrap(DEBIAN, "trixie", "ca-certificates,passwd", [], environment)
    command = [
        "docker",
        "build",
        "-q",
        "--network",
        "host",
        "--label",
        "azaion.standin=1",
        "-t",
        image,
        "-f",
        str(file),
        str(FOLDER),
    ]
    run(*command, environment=environment)


def _bootstrap(
    image: str, suite: str, packages: str, settings: Sequence[str], environment: Mapping[str, str]
) -> None:
    """A Debian of ``suite`` as an image."""
    if shutil.which("debootstrap") is None:
        run("apt-get", "install", "-y", "--no-install-recommends", "debootstrap")
    with tempfile.TemporaryDirectory(prefix="azaion-debian-") as folder:
        root = Path(folder) / "root"
        run("debootstrap", "--variant=minbase", f"--include={packages}", suite, str(root), _MIRROR)
        for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            marker.unlink()
        if (root / "usr/bin/python3").exists():
            (root / "usr/bin/python").symlink_to("python3")
        shutil.copy(_CERTIFICATES, root / "etc/ssl/certs/ca-certificates.crt")
        run("tar", "-C", str(root), "-cf", f"{folder}/root.tar", ".")
        changes = [part for change in (_PATH, "LABEL azaion.standin=1", *settings) for part in ("-c", change)]
        run("docker", "import", *changes, f"{folder}/root.tar", image, environment=environment)


@contextmanager
def _wheels_of_this_machine() -> Iterator[str | None]:
    """Where pip on this machine finds wheels in a folder (a CPU build of torch, say), builds find them by this address."""
    folder = os.environ.get("PIP_FIND_LINKS", "")
    if not Path(folder).is_dir():
        yield None
        return
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 18499), partial(quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
