"""What a machine lacks, from its distribution or as an image."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

Say = Callable[[str], None]


class ServerMissingError(RuntimeError):
    """A server cannot be had here; the text says what to do."""


def cache() -> Path:
    """What is fetched or made once lies here."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"  # noqa: TID251 - where caches belong
    return Path(base) / "azaion"


class only_one:  # noqa: N801 - reads as a statement
    """One process at a time makes ``path``: the workers of a test run start together."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.with_suffix(".lock").open("w")

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def apt_install(*packages: str) -> None:
    """Install Debian packages; raises ServerMissingError."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}  # noqa: TID251 - handed on
    with only_one(cache() / "apt"):
        run("apt-get", "update", environment=environment)
        run("apt-get", "install", "-y", "--no-install-recommends", *packages, environment=environment)


def apt_unpack(package: str, folder: Path) -> None:
    """Unpack a Debian package into ``folder``, installing nothing; raises ServerMissingError."""
    with only_one(cache() / "apt"), tempfile.TemporaryDirectory(dir=folder.parent) as work:
        if os.geteuid() == 0:
            run("apt-get", "update")
        run("apt-get", "download", "-q", package, folder=work)
        run("dpkg", "-x", str(next(Path(work).glob(f"{package}_*.deb"))), f"{work}/root")
        Path(work, "root").rename(folder)


def may_apt_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def need_image(image: str, say: Say, otherwise: str) -> None:
    """Have Docker hold ``image``.

    Raises:
        ServerMissingError: ``otherwise``, where there is no Docker; or the image cannot be pulled.
    """
    if shutil.which("docker") is None or _fails("docker", "info"):
        raise ServerMissingError(otherwise)
    if _fails("docker", "image", "inspect", image):
        say(f"pulling {image}")
        run("docker", "pull", image)


def run(*command: str, environment: dict[str, str] | None = None, folder: str | None = None) -> None:
    """Raises ServerMissingError with the end of what the command said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)
    if done.returncode != 0:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise ServerMissingError(f"{' '.join(command)} failed:\n{end}")


def _fails(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode != 0
