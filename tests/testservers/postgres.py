"""A private PostgreSQL on loopback."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psycopg

from testservers.installing import Say, apt_install, may_apt_install, need_image
from testservers.processes import LOOPBACK, answers, end, free_port, start, wait_for_refusal

IMAGE = "postgres:17"
_FAST = ("fsync=off", "synchronous_commit=on", "full_page_writes=off")


@dataclass(frozen=True)
class PostgresSource:
    """Where ``initdb`` and ``postgres`` are: in ``programs``, or in ``image``."""

    programs: Path | None
    image: str | None = None

    @property
    def user(self) -> str:
        """Who runs it: ourselves, but never root."""
        if os.geteuid() != 0:
            return pwd.getpwuid(os.geteuid()).pw_name
        return "postgres" if self.image is None else "nobody"

    def command(self, program: str, *arguments: str, folder: Path) -> list[str]:
        """``program``, which works in ``folder``; in a container as if it were a process of this machine."""
        if self.image is not None:
            owner = pwd.getpwnam(self.user)
            return [
                "docker", "run", "--rm", "--network=host", "--pid=host", f"--user={owner.pw_uid}:{owner.pw_gid}",
                "--volume=/etc/passwd:/etc/passwd:ro", f"--volume={folder}:{folder}", f"--entrypoint={program}",
                self.image, *arguments,
            ]  # fmt: skip
        command = [f"{self.programs}/{program}", *arguments]
        if os.geteuid() != 0:
            return command
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--", *command]


def find_postgres(say: Say) -> PostgresSource:
    """The first that works of: installed, installed now (as root, where there is apt), Docker.

    Raises:
        ServerMissingError: none of them, with what to do.
    """
    if not _installed() and may_apt_install():
        say("installing PostgreSQL (no cluster is made, nothing is started)")
        Path("/etc/postgresql-common").mkdir(exist_ok=True)
        Path("/etc/postgresql-common/createcluster.conf").write_text("create_main_cluster = false\n")
        apt_install("postgresql")
    if found := _installed():
        say(f"PostgreSQL of {found[-1]}")
        return PostgresSource(found[-1])
    return in_docker(say)


def _installed() -> list[Path]:
    return sorted(path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def in_docker(say: Say) -> PostgresSource:
    """The official image, under our own user."""
    otherwise = (
        "tests need PostgreSQL: install it, start Docker, or set AZAION_TEST_POSTGRES to the address of one"
    )
    need_image(IMAGE, say, otherwise)
    say(f"PostgreSQL of the Docker image {IMAGE}")
    return PostgresSource(None, IMAGE)


class PrivatePostgres:
    """Use as a context manager, or ``start`` and ``stop``. After ``kill`` or ``stop`` it can be started again."""

    def __init__(self, source: PostgresSource) -> None:
        self._source = source
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="azaion-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._user = source.user
        self._initialise()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://{self._user}@{LOOPBACK}:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"d{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(
            host=LOOPBACK, port=self.port, user=self._user, dbname=database, autocommit=True
        ) as it:
            done = it.execute(statement.encode())
            return done.fetchall() if done.description else []

    def start(self) -> None:
        settings = (*_FAST, f"port={self.port}", f"listen_addresses={LOOPBACK}", "unix_socket_directories=")
        options = [part for setting in settings for part in ("-c", setting)]
        command = self._source.command("postgres", "-D", self._data, *options, folder=self.folder)
        self._process = start(command, self.folder / "log")
        until = time.monotonic() + 30
        while not self._ready():
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not come up: {(self.folder / 'log').read_text()[-1000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """At once, connections and all."""
        self._signal(signal.SIGQUIT)

    def stop(self) -> None:
        if self._process is not None:
            self._signal(signal.SIGINT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        postmaster = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, number)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            end(self._process)
        self._process = None
        wait_for_refusal(self.port)

    def _ready(self) -> bool:
        if not answers(self.port):
            return False
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _initialise(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, self._user)
        options = ("-A", "trust", "-N", "--no-locale", "-E", "UTF8", "-U", self._user)
        command = self._source.command("initdb", "-D", self._data, *options, folder=self.folder)
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")
