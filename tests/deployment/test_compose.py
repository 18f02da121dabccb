"""What compose.yaml promises for every container, read from the file: Docker itself is for the rehearsal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from azaion_common.runtime.discovery import service_names

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
every_container = pytest.mark.parametrize("name", SERVICES)


@every_container
def test_a_container_has_few_rights(name: str) -> None:
    """No root, no writable root file system, no capabilities, no way to get any; one gives a volume away, and ends."""
    container = SERVICES[name]

    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    if name == "blobs-owner":
        assert (container["cap_add"], container["network_mode"]) == (["CHOWN"], "none")
    else:
        assert "cap_add" not in container
        assert container["image"].startswith("azaion/") or not container["user"].startswith("0:")
    assert "privileged" not in container
    assert not any("docker.sock" in str(volume) for volume in container.get("volumes", []))


@every_container
def test_a_container_has_limits_and_comes_back(name: str) -> None:
    """Memory, processors and processes are limited; what dies is started again."""
    container = SERVICES[name]

    assert {"mem_limit", "cpus", "pids_limit"} <= container.keys()
    assert container["restart"] in ("unless-stopped", "on-failure")


@every_container
def test_no_secret_is_in_the_environment(name: str) -> None:
    """Variables name files; `docker inspect` shows nothing."""
    for variable, value in SERVICES[name].get("environment", {}).items():
        secret = any(
            word in variable
            for word in ("PASSWORD", "SECRET", "KEY", "STREAMS_URL", "JOBS_URL", "LEDGER_URL")
        )
        assert not secret or str(value).startswith("/run/secrets/"), variable


@every_container
def test_images_are_pinned(name: str) -> None:
    """A version is named, and it is not "latest"."""
    _, colon, tag = SERVICES[name]["image"].rpartition(":")

    assert colon
    assert tag not in ("", "latest")


def test_every_service_has_a_container() -> None:
    """Whatever can be run is run, with a health check of its image and after its servers are healthy."""
    assert set(service_names()) <= SERVICES.keys()
    for name in service_names():
        assert all(
            condition["condition"] != "service_started" for condition in SERVICES[name]["depends_on"].values()
        )


def test_what_listens_on_the_host_listens_on_loopback() -> None:
    """A firewall that nobody has set up yet is no reason to be open to the network."""
    ports = [port for container in SERVICES.values() for port in container.get("ports", [])]

    assert ports
    assert all(port.startswith("${AZAION_BIND:-127.0.0.1}:") for port in ports)


def test_only_what_is_published_has_a_way_out() -> None:
    """Networks are internal but one, and on that one are only those that listen on the host."""
    open_networks = {
        name for name, network in COMPOSE["networks"].items() if not (network or {}).get("internal")
    }

    assert open_networks == {"front"}
    assert {name for name, each in SERVICES.items() if "front" in each.get("networks", [])} == {
        name for name, each in SERVICES.items() if each.get("ports")
    }


def test_devices_get_no_more_than_they_need() -> None:
    """The demo inferencer has the device's account and reaches no ledger."""
    inferencer = SERVICES["inferencer"]

    assert "ledgers" not in inferencer["networks"]
    sources = {each["source"] for each in inferencer["secrets"]}
    assert sources == {"device_streams_url", "s3_secret_key", "device_account", "fleet_key"}


def test_the_gpu_goes_to_those_that_use_it() -> None:
    """With the overlay trainer, exporter and inferencer have a GPU and images of their own; nobody else changes."""
    overlay = yaml.safe_load((ROOT / "compose.gpu.yaml").read_text())["services"]

    assert overlay.keys() == {"trainer", "exporter", "inferencer"}
    for name, container in overlay.items():
        (device,) = container["deploy"]["resources"]["reservations"]["devices"]
        assert device["capabilities"] == ["gpu"]
        assert container["image"] != SERVICES[name]["image"]
