"""What a machine lacks, from its distribution or as an image."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

Say = Callable[[str], None]


class ServerMissingError(RuntimeError):
    """A server cannot be had here; the text says what to do."""


def apt_install(*packages: str) -> None:
    """Install Debian packages; raises ServerMissingError."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}  # noqa: TID251 - handed on
    run("apt-get", "update", environment=environment)
    run("apt-get", "install", "-y", "--no-install-recommends", *packages, environment=environment)


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


def run(*command: str, environment: dict[str, str] | None = None) -> None:
    """Raises ServerMissingError with the end of what the command said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise ServerMissingError(f"{' '.join(command)} failed:\n{end}")


def _fails(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode != 0
