"""A private RabbitMQ: own node, ports, folders, cookie and epmd; crashes, freezes and comes back when told to."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psutil

from testservers.broker_source import BIN, BrokerSource
from testservers.processes import LOOPBACK, end, free_port, start, wait_for_ports, wait_for_refusal

PLUGINS = ("rabbitmq_stream", "rabbitmq_stream_management", "rabbitmq_management", "rabbitmq_prometheus")
_ERLANG = "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"


class PrivateRabbit:
    """Use as a context manager, or ``start`` and ``stop``. After ``kill`` or ``stop`` it can be started again."""

    def __init__(
        self, source: BrokerSource, *, extra_conf: str = "", advertised_stream_port: int | None = None
    ) -> None:
        self.source = source
        self.ports = {
            name: free_port() for name in ("amqp", "dist", "epmd", "stream", "management", "prometheus")
        }
        self._extra_conf = extra_conf
        self._advertised = advertised_stream_port or self.ports["stream"]
        outer = source.root / "srv" if source.is_chroot else Path(tempfile.gettempdir())
        outer.mkdir(exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="azaion-rabbit-", dir=outer))
        """As seen from outside the chroot."""
        self._node = f"t{secrets.token_hex(4)}@localhost"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def stream_url(self) -> str:
        return f"rabbitmq-stream://guest:guest@{LOOPBACK}:{self.ports['stream']}/"

    @property
    def amqp_url(self) -> str:
        return f"amqp://guest:guest@{LOOPBACK}:{self.ports['amqp']}/"

    def start(self, timeout_s: float = 90) -> float:
        """Start it, or start it again; how long that took."""
        started = time.monotonic()
        self._prepare()
        log = self.folder / "log" / "console.log"
        self._process = start(self._server_command(), log, self._environment())
        wait_for_ports(
            [self.ports["amqp"], self.ports["stream"], self.ports["management"]],
            self._process,
            log,
            timeout_s,
        )
        return time.monotonic() - started

    def kill(self) -> None:
        """As a crash: the virtual machine is gone at once, its data as it was."""
        beam = self._beam()
        beam.kill()
        with contextlib.suppress(psutil.TimeoutExpired):
            beam.wait(20)
        self._end_family()

    def stop(self) -> None:
        """In order; does nothing when it does not run."""
        if self._process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess, RuntimeError):
            beam = self._beam()
            beam.send_signal(signal.SIGCONT)
            beam.terminate()
            with contextlib.suppress(psutil.TimeoutExpired):
                beam.wait(25)
        self._end_family()
        self._end_epmd()

    def freeze(self) -> None:
        """It stops in mid-sentence, its sockets stay open."""
        self._beam().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._beam().send_signal(signal.SIGCONT)

    def manage(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the management API (``/api`` is put in front)."""
        url = f"http://{LOOPBACK}:{self.ports['management']}/api{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method)
        request.add_header("Authorization", "Basic " + b64encode(b"guest:guest").decode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            content = response.read()
        return json.loads(content) if content else None

    def new_vhost(self) -> str:
        """An empty virtual host, so that tests share a broker and nothing else; its name."""
        name = f"v{secrets.token_hex(5)}"
        self.manage("PUT", f"/vhosts/{name}", {})
        self.manage("PUT", f"/permissions/{name}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
        return name

    def delete_vhost(self, name: str) -> None:
        self.manage("DELETE", f"/vhosts/{quote(name, safe='')}")

    def control(self, program: str, *arguments: str) -> str:
        """Output of one of RabbitMQ's programs (``rabbitmqctl``, ``rabbitmq-streams``) on this node."""
        done = subprocess.run(
            [*self._command(program), "-n", self._node, *arguments],
            env=self._environment(), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{program} {arguments}: {done.stderr or done.stdout}")
        return done.stdout

    def stream_folder(self) -> Path:
        """Where the streams' segments lie."""
        return next((self.folder / "mnesia").glob("*/stream"))

    @property
    def memory_bytes(self) -> int:
        return int(self._beam().memory_info().rss)

    def _prepare(self) -> None:
        for name in ("home", "mnesia", "log"):
            (self.folder / name).mkdir(exist_ok=True)
        cookie = self.folder / "home" / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(secrets.token_hex(16))
            cookie.chmod(0o400)
        (self.folder / "enabled_plugins").write_text(f"[{','.join(PLUGINS)}].\n")
        (self.folder / "rabbitmq.conf").write_text(self._configuration())

    def _configuration(self) -> str:
        ports = self.ports
        return "\n".join((
            f"listeners.tcp.1 = {LOOPBACK}:{ports['amqp']}",
            f"stream.listeners.tcp.1 = {LOOPBACK}:{ports['stream']}",
            f"stream.advertised_host = {LOOPBACK}",
            f"stream.advertised_port = {self._advertised}",
            "stream.frame_max = 33554432",
            f"management.tcp.ip = {LOOPBACK}",
            f"management.tcp.port = {ports['management']}",
            f"prometheus.tcp.ip = {LOOPBACK}",
            f"prometheus.tcp.port = {ports['prometheus']}",
            "disk_free_limit.absolute = 200MB",
            self._extra_conf,
            "",
        ))  # fmt: skip

    def _environment(self) -> dict[str, str]:
        rest = {name: value for name, value in os.environ.items() if not name.startswith("RABBITMQ_")}  # noqa: TID251 - handed on
        return {**rest, **self._own_environment()}

    def _own_environment(self) -> dict[str, str]:
        inner = Path("/") / self.folder.relative_to(self.source.root)
        ports = {name: str(port) for name, port in self.ports.items()}
        return {
            "HOME": str(inner / "home"), "LC_ALL": "C.UTF-8",
            "RABBITMQ_NODENAME": self._node, "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": ports["amqp"], "RABBITMQ_DIST_PORT": ports["dist"],
            "RABBITMQ_MNESIA_BASE": str(inner / "mnesia"), "RABBITMQ_LOG_BASE": str(inner / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(inner / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(inner / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(inner / "none.config"),
            "RABBITMQ_PID_FILE": str(inner / "pid"), "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
            "ERL_EPMD_PORT": ports["epmd"], "ERL_EPMD_ADDRESS": LOOPBACK, "ERL_MAX_PORTS": "4096",
        }  # fmt: skip

    def _server_command(self) -> list[str]:
        if self.source.image is None:
            return self._command("rabbitmq-server")
        variables = [f"--env={name}={value}" for name, value in self._own_environment().items()]
        return [
            "docker", "run", "--rm", f"--name={self._container}", "--network=host",
            f"--user={os.geteuid()}:{os.getegid()}", f"--volume={self.folder}:{self.folder}", *variables,
            self.source.image, "rabbitmq-server",
        ]  # fmt: skip

    @property
    def _container(self) -> str:
        return f"azaion-{self._node.partition('@')[0]}"

    def _command(self, program: str) -> list[str]:
        """In a chroot ``/proc`` is mounted in a namespace of its own, so that nothing stays mounted afterwards."""
        if self.source.image is not None:
            return ["docker", "exec", self._container, program]
        if not self.source.is_chroot:
            return [f"/{BIN}/{program}"]
        root = str(self.source.root)
        inside = f"mount -t proc proc '{root}/proc' && exec chroot '{root}' \"$@\""
        return [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            inside,
            "sh",
            f"/{BIN}/{program}",
        ]

    def _beam(self) -> psutil.Process:
        """Erlang's virtual machine; in a container it is no child of ours, but it runs under our user."""
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error):
                if process.name().startswith("beam") and self._is_ours(process):
                    return process
        raise RuntimeError("RabbitMQ does not run")

    def _is_ours(self, process: psutil.Process) -> bool:
        return process.environ().get("RABBITMQ_NODENAME") == self._node

    def _end_family(self) -> None:
        assert self._process is not None
        end(self._process)
        self._process = None
        for name in ("stream", "amqp"):
            wait_for_refusal(self.ports[name])

    def _end_epmd(self) -> None:
        """It made itself a daemon: ours is the one with our port."""
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error):
                if process.name() == "epmd" and process.environ().get("ERL_EPMD_PORT") == str(
                    self.ports["epmd"]
                ):
                    process.terminate()
