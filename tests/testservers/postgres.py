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
from pathlib import Path
from typing import Self

import psycopg

from testservers.broker_source import Say, ServerMissingError, apt_install
from testservers.processes import LOOPBACK, answers, end, free_port, start, wait_for_refusal

_FAST = ("fsync=off", "synchronous_commit=on", "full_page_writes=off")


def find_programs(say: Say) -> Path:
    """The folder with ``initdb`` and ``postgres``; installed when missing and allowed.

    Raises:
        RuntimeError: there is none, with what to do.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found and os.geteuid() == 0:
        say("installing PostgreSQL (no cluster is made, nothing is started)")
        Path("/etc/postgresql-common").mkdir(exist_ok=True)
        Path("/etc/postgresql-common/createcluster.conf").write_text("create_main_cluster = false\n")
        apt_install("postgresql")
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise ServerMissingError(
            "tests need PostgreSQL: install it, or set AZAION_TEST_POSTGRES to the address of one"
        )
    say(f"PostgreSQL of {found[-1].parent}")
    return found[-1].parent


class PrivatePostgres:
    """Use as a context manager, or ``start`` and ``stop``. After ``kill`` or ``stop`` it can be started again."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="azaion-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
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
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *options]
        self._process = start(self._as_user(command), self.folder / "log")
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
        command = [str(self._programs / "initdb"), "-D", str(self.folder / "data"), "-A", "trust", "-N", "--no-locale",
                   "-E", "UTF8"]  # fmt: skip
        subprocess.run(self._as_user(command), check=True, capture_output=True, cwd=self.folder)

    def _as_user(self, command: list[str]) -> list[str]:
        if os.geteuid() != 0:
            return command
        return ["setpriv", f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups", "--", *command]
