"""A Prometheus on loopback, and its promtool: this machine's, or Debian's package unpacked into the cache."""

from __future__ import annotations

import json
import shutil
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

import yaml

from testservers.installing import Say, ServerMissingError, apt_unpack, cache, only_one
from testservers.processes import LOOPBACK, end, free_port, start, wait_for_ports

SCRAPE_S = 1


def find_programs(say: Say) -> Path:
    """The folder that holds ``prometheus`` and ``promtool``.

    Raises:
        ServerMissingError: they are not installed, and there is no apt to fetch them.
    """
    return _find("prometheus", "promtool", say)


def find_alertmanager(say: Say) -> Path:
    """The folder that holds ``amtool``. Raises as ``find_programs``."""
    return _find("prometheus-alertmanager", "amtool", say)


def _find(package: str, tool: str, say: Say) -> Path:
    if (installed := shutil.which(package)) and shutil.which(tool):
        say(f"{package} of {installed}")
        return Path(installed).parent
    folder = cache() / package
    if shutil.which("apt-get") is None:
        raise ServerMissingError(f"{tool} is missing: install {package}, so that it is on the PATH")
    with only_one(folder):
        if not folder.exists():
            apt_unpack(package, folder)
    say(f"{package} of Debian's package, unpacked into {folder}")
    return folder / "usr/bin"


class PrivatePrometheus:
    """Use as a context manager. Scrapes ``targets`` (job, address) every second; what it knew is gone afterwards."""

    def __init__(self, programs: Path, targets: list[tuple[str, str]]) -> None:
        self.port = free_port()
        self._programs = programs
        self._targets = targets
        self._folder = Path(tempfile.mkdtemp(prefix="azaion-prometheus-"))

    def __enter__(self) -> Self:
        config, log = self._folder / "prometheus.yml", self._folder / "log"
        config.write_text(yaml.safe_dump(self._config()))
        command = [str(self._programs / "prometheus"), f"--config.file={config}"]
        command += [
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{self.port}",
        ]
        self._process = start(command, log)
        wait_for_ports([self.port], self._process, log)
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of ``expression`` now; Grafana's interval is taken as 30 seconds."""
        text = urllib.parse.urlencode({"query": expression.replace("$__rate_interval", "30s")})
        with urllib.request.urlopen(
            f"http://{LOOPBACK}:{self.port}/api/v1/query?{text}", timeout=20
        ) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def _config(self) -> dict[str, Any]:
        scraped = [
            {"job_name": job, "static_configs": [{"targets": [address], "labels": {"component": job}}]}
            for job, address in self._targets
        ]
        return {
            "global": {"scrape_interval": f"{SCRAPE_S}s", "scrape_timeout": f"{SCRAPE_S}s"},
            "scrape_configs": scraped,
        }
