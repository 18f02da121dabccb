"""A Docker engine: the machine's own, or a private one that is gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_S = 30.0
CACHE = Path.home() / ".cache" / "azaion" / "docker"
_PLUGINS = {"docker-compose": "docker-compose", "docker-buildx": "docker-buildx"}
"""Debian package of each plugin that an engine needs."""


class RehearsalError(RuntimeError):
    """Cannot go on; the text says why."""


def run(
    *command: str,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 1800,
    cwd: Path | None = None,
) -> str:
    """What ``command`` printed; raises RehearsalError with the end of what it said."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=timeout_s, cwd=cwd
    )
    if done.returncode != 0:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise RehearsalError(f"{' '.join(command)} ended with {done.returncode}:\n{end}")
    return done.stdout


@contextmanager
def docker_environment() -> Iterator[dict[str, str]]:
    """The variables under which ``docker compose`` works here."""
    if _works({**os.environ}):
        yield {**os.environ}
        return
    if shutil.which("dockerd") is None:
        raise RehearsalError("there is no Docker here: install docker.io, or start the engine")
    with (
        tempfile.TemporaryDirectory(prefix="azaion-docker-") as folder,
        _private_engine(Path(folder)) as environment,
    ):
        print(f"Docker: a private engine in {CACHE}")
        yield environment


def _works(environment: Mapping[str, str]) -> bool:
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        if (
            shutil.which("docker") is None
            or subprocess.run(command, capture_output=True, check=False, env=dict(environment)).returncode
        ):
            return False
    return True


@contextmanager
def _private_engine(folder: Path) -> Iterator[dict[str, str]]:
    """Layers stay in the cache, so that a second rehearsal builds little; containers and networks do not."""
    CACHE.mkdir(parents=True, exist_ok=True)
    socket = folder / "docker.sock"
    config = _plugins(CACHE / "config")
    command = [
        "dockerd",
        "-H",
        f"unix://{socket}",
        "--data-root",
        str(CACHE / "data"),
        "--exec-root",
        str(folder / "exec"),
    ]
    command += [
        "--pidfile",
        str(folder / "pid"),
        "--default-ulimit",
        "nofile=20000:20000",
        "--storage-driver",
        "overlay2",
    ]
    environment = {**os.environ, "DOCKER_HOST": f"unix://{socket}", "DOCKER_CONFIG": str(config)}
    with (folder / "log").open("wb") as log:
        engine = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until = time.monotonic() + START_S
        while not _works(environment):
            if engine.poll() is not None or time.monotonic() > until:
                raise RehearsalError(f"dockerd did not start:\n{(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.2)
        yield environment
    finally:
        engine.terminate()
        engine.wait(30)


def _plugins(config: Path) -> Path:
    """A Docker configuration with compose 2 and buildx; from Debian's newest suite where the machine has none."""
    folder = config / "cli-plugins"
    missing = [name for name in _PLUGINS if not (folder / name).exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="azaion-apt-") as work:
            for name in missing:
                shutil.copy(_from_sid(_PLUGINS[name], name, Path(work)), folder / name)
    return config


def _from_sid(package: str, plugin: str, work: Path) -> Path:
    """Unpacked, not installed: the machine's packages stay as they are."""
    for part in ("lists/partial", "cache/archives/partial", package):
        (work / part).mkdir(parents=True, exist_ok=True)
    (work / "status").touch()
    (work / "sources.list").write_text(
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main\n"
    )
    places = {
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::Lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
    }
    (work / "apt.conf").write_text("".join(f'{key} "{value}";\n' for key, value in places.items()))
    environment = {**os.environ, "APT_CONFIG": str(work / "apt.conf")}
    run("apt-get", "update", environment=environment)
    run("apt-get", "download", package, environment=environment, cwd=work)
    run("dpkg", "-x", str(next(work.glob(f"{package}_*.deb"))), str(work / package))
    return work / package / "usr/libexec/docker/cli-plugins" / plugin
