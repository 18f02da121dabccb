"""Where a RabbitMQ 4 comes from: installed, or a Debian trixie beside the machine's own system, or Docker.

Distributions that carry an older one (Debian 12 has 3.10, Ubuntu 24.04 has 3.12) get it in a chroot that is made
once and kept in the cache folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SUITE = "trixie"
MIRROR = "http://deb.debian.org/debian"
BIN = "usr/lib/rabbitmq/bin"
IMAGE = "rabbitmq:4"
_ENOUGH = 4
Say = Callable[[str], None]


@dataclass(frozen=True)
class BrokerSource:
    """RabbitMQ's programs are in ``root / BIN``, or in ``image``; ``root`` other than ``/`` means a chroot."""

    root: Path
    version: str
    image: str | None = None

    @property
    def is_chroot(self) -> bool:
        return self.root != Path("/")


class ServerMissingError(RuntimeError):
    """No RabbitMQ 4 can be had here; the text says what to do."""


def find_source(say: Say) -> BrokerSource:
    """The first that works of: installed, a chroot (made when missing; as root, where there is apt), Docker.

    Raises:
        ServerMissingError: none of them.
    """
    native = _version(Path("/"))
    if native is not None and int(native.split(".")[0]) >= _ENOUGH:
        say(f"RabbitMQ {native} of this machine")
        return BrokerSource(Path("/"), native)
    root = _cache() / f"rabbitmq-{SUITE}"
    if os.geteuid() != 0 or (not root.exists() and shutil.which("apt-get") is None):
        return _in_docker(say)
    with _only_one(root):
        if not root.exists():
            _make_chroot(root, say)
    version = _version(root) or "?"
    say(f"RabbitMQ {version} of a Debian {SUITE} chroot in {root}")
    return BrokerSource(root, version)


def _in_docker(say: Say) -> BrokerSource:
    """The official image, under our own user and on the host's network: its files and processes are like ours."""
    if shutil.which("docker") is None or _fails("docker", "info"):
        raise ServerMissingError(
            "tests need RabbitMQ 4: install it, start Docker, run as root on Debian or Ubuntu (a chroot is made then), "
            "or set AZAION_TEST_RABBITMQ to the address of one"
        )
    if _fails("docker", "image", "inspect", IMAGE):
        say(f"pulling {IMAGE}")
        _run("docker", "pull", IMAGE)
    say(f"RabbitMQ of the Docker image {IMAGE}")
    return BrokerSource(Path("/"), IMAGE, IMAGE)


def _fails(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode != 0


def _make_chroot(root: Path, say: Say) -> None:
    """Debian's own way; under another name until it is complete."""
    started = time.monotonic()
    say(f"making a Debian {SUITE} chroot with RabbitMQ 4 in {root} (once; about a minute)")
    if shutil.which("debootstrap") is None:
        apt_install("debootstrap", *([] if _is_debian() else ["debian-archive-keyring"]))
    half = root.with_name(f"{root.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.parent.mkdir(parents=True, exist_ok=True)
    _run("debootstrap", "--variant=minbase", "--include=rabbitmq-server", SUITE, str(half), MIRROR)
    (half / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    half.rename(root)
    say(f"made it in {time.monotonic() - started:.0f} s")


def apt_install(*packages: str) -> None:
    """Install Debian packages; raises ServerMissingError."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}  # noqa: TID251 - handed on
    _run("apt-get", "update", environment=environment)
    _run("apt-get", "install", "-y", "--no-install-recommends", *packages, environment=environment)


def _run(*command: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise ServerMissingError(f"{' '.join(command)} failed:\n{end}")


def _version(root: Path) -> str | None:
    """From the folder that holds RabbitMQ's code: ``/usr/lib/rabbitmq/lib/rabbitmq_server-4.0.5``."""
    found = sorted((root / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
    return found[-1].name.partition("-")[2] if found else None


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"  # noqa: TID251 - where caches belong
    return Path(base) / "azaion"


def _is_debian() -> bool:
    return "\nID=debian" in "\n" + Path("/etc/os-release").read_text()


class _only_one:  # noqa: N801 - reads as a statement
    """One process at a time makes the chroot."""

    def __init__(self, root: Path) -> None:
        root.parent.mkdir(parents=True, exist_ok=True)
        self._file = root.with_suffix(".lock").open("w")

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
