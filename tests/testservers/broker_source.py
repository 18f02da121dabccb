"""Where a RabbitMQ 4 comes from: installed, or a Debian trixie beside the machine's own system, or Docker.

Distributions that carry an older one (Debian 12 has 3.10, Ubuntu 24.04 has 3.12) get it in a chroot that is made
once and kept in the cache folder.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from testservers.installing import Say, apt_install, cache, may_apt_install, need_image, only_one, run

SUITE = "trixie"
MIRROR = "http://deb.debian.org/debian"
BIN = "usr/lib/rabbitmq/bin"
IMAGE = "rabbitmq:4"
_ENOUGH = 4


@dataclass(frozen=True)
class BrokerSource:
    """RabbitMQ's programs are in ``root / BIN``, or in ``image``; ``root`` other than ``/`` means a chroot."""

    root: Path
    version: str
    image: str | None = None

    @property
    def is_chroot(self) -> bool:
        return self.root != Path("/")


def find_source(say: Say) -> BrokerSource:
    """The first that works of: installed, a chroot (made when missing; as root, where there is apt), Docker.

    Raises:
        ServerMissingError: none of them.
    """
    native = _version(Path("/"))
    if native is not None and int(native.split(".")[0]) >= _ENOUGH:
        say(f"RabbitMQ {native} of this machine")
        return BrokerSource(Path("/"), native)
    root = cache() / f"rabbitmq-{SUITE}"
    if os.geteuid() != 0 or not (root.exists() or may_apt_install()):
        return in_docker(say)
    with only_one(root):
        if not root.exists():
            _make_chroot(root, say)
    version = _version(root) or "?"
    say(f"RabbitMQ {version} of a Debian {SUITE} chroot in {root}")
    return BrokerSource(root, version)


def in_docker(say: Say) -> BrokerSource:
    """The official image, under our own user and on the host's network: its files and processes are like ours."""
    need_image(
        IMAGE,
        say,
        "tests need RabbitMQ 4: install it, start Docker, run as root on Debian or Ubuntu (a chroot is made then), "
        "or set AZAION_TEST_RABBITMQ to the address of one",
    )
    say(f"RabbitMQ of the Docker image {IMAGE}")
    return BrokerSource(Path("/"), IMAGE, IMAGE)


def _make_chroot(root: Path, say: Say) -> None:
    """Debian's own way; under another name until it is complete."""
    started = time.monotonic()
    say(f"making a Debian {SUITE} chroot with RabbitMQ 4 in {root} (once; about a minute)")
    if shutil.which("debootstrap") is None:
        apt_install("debootstrap", *([] if _is_debian() else ["debian-archive-keyring"]))
    half = root.with_name(f"{root.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.parent.mkdir(parents=True, exist_ok=True)
    run("debootstrap", "--variant=minbase", "--include=rabbitmq-server", SUITE, str(half), MIRROR)
    (half / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    half.rename(root)
    say(f"made it in {time.monotonic() - started:.0f} s")


def _version(root: Path) -> str | None:
    """From the folder that holds RabbitMQ's code: ``/usr/lib/rabbitmq/lib/rabbitmq_server-4.0.5``."""
    found = sorted((root / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
    return found[-1].name.partition("-")[2] if found else None


def _is_debian() -> bool:
    return "\nID=debian" in "\n" + Path("/etc/os-release").read_text()
