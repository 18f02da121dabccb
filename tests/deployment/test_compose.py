"""What compose.yaml promises for every container, read from the file: Docker itself is for the rehearsal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from azaion_common.platform.runtime.discovery import service_names

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
        ) and not variable.endswith("ACCESS_KEY")  # the name of an account
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


def test_what_listens_on_the_host_listens_on_loopback_each_by_a_variable_of_its_own() -> None:
    """A firewall that nobody has set up yet is no reason to be open, and opening one port opens no other."""
    ports = [port for container in SERVICES.values() for port in container.get("ports", [])]
    variables = [re.match(r"\$\{(AZAION_[A-Z0-9_]+_BIND):-127\.0\.0\.1\}:", port) for port in ports]

    assert ports
    assert all(variables)
    assert len({found[1] for found in variables if found}) == len(ports)


def test_every_variable_is_in_the_operations_page() -> None:
    """Who wants another limit, port or card reads its variable's name where it is explained."""
    files = [ROOT / name for name in ("compose.yaml", "compose.gpu.yaml", "compose.tls.yaml")]
    used = {name for file in files for name in re.findall(r"\$\{(AZAION_[A-Z0-9_]+)", file.read_text())}
    page = (ROOT / "docs/operations.md").read_text()

    assert {name for name in used if f"`{name}" not in page and f"{name}=" not in page} == set()


def test_health_checks_start_no_interpreter() -> None:
    """A check runs every five seconds in every container: it costs milliseconds, not a Python or an Erlang machine."""
    checks = [str(each.get("healthcheck", {}).get("test", "")) for each in SERVICES.values()]
    images = [path.read_text() for path in (ROOT / "deploy/docker").glob("*.Dockerfile")]

    assert not any("rabbitmq-diagnostics" in check or "python" in check for check in checks)
    assert all(
        'HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=6 CMD ["azaion-ready"]' in image
        for image in images
    )


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
    """The demo inferencer has a device's accounts, and is on the network of devices; so are the three that they speak to,
    and the publisher, which speaks to the API.
    """
    inferencer = SERVICES["inferencer"]
    others = {name for name, each in SERVICES.items() if "devices" in each.get("networks", [])}

    assert set(inferencer["networks"]) == {"devices", "monitoring"}
    assert others == {"inferencer", "rabbitmq", "blob-store", "api", "publisher"}
    assert {each["source"] for each in inferencer["secrets"]} == {
        "device_streams_url",
        "s3_device_key",
        "device_account",
        "fleet_key",
        "release_signing_public_key",
    }


def test_each_service_has_accounts_of_its_own() -> None:
    """On broker and blob store; only what sets things up, and you, have the one that may do everything."""
    everything = {"streams_url", "jobs_url", "s3_azaion_key"}
    given = {
        name: {each if isinstance(each, str) else each["source"] for each in container.get("secrets", [])}
        for name, container in SERVICES.items()
    }

    assert {name for name, sources in given.items() if sources & everything} == {"setup", "operator"}
    for name in set(service_names()) - {"inferencer"}:
        accounts = {
            each for each in given[name] if each.endswith(("streams_url", "jobs_url")) or "s3_" in each
        }
        assert accounts <= {f"{name}_streams_url", f"{name}_jobs_url", f"s3_{name}_key"}
        assert SERVICES[name]["environment"]["AZAION_PLATFORM__S3_ACCESS_KEY"] == name


def test_the_blob_store_has_one_door() -> None:
    """All its parts but S3 know no users and listen within the container; its inner calls ask for a certificate."""
    store = SERVICES["blob-store"]
    flags = dict(flag.lstrip("-").partition("=")[::2] for flag in store["command"] if flag.startswith("-"))

    assert flags["ip.bind"] == "127.0.0.1"
    assert (flags["s3.ip.bind"], flags["s3.iam"]) == ("0.0.0.0", "false")  # noqa: S104 - in a container
    assert (flags["s3.port.iceberg"], flags["s3.port.lance"]) == ("0", "0")
    assert store["configs"] == [{"source": "blob_store_security", "target": "/etc/seaweedfs/security.toml"}]


def test_with_tls_nothing_plain_leaves_the_machine() -> None:
    """The overlay opens the ports that speak TLS, and pins the plain ones of broker and blob store to loopback."""
    overlay = yaml.load((ROOT / "compose.tls.yaml").read_text(), _Tags)["services"]  # noqa: S506 - ours
    command, with_tls = SERVICES["blob-store"]["command"], overlay["blob-store"]["command"]

    assert overlay["rabbitmq"]["ports"] == [
        "127.0.0.1:5552:5552",
        "${AZAION_STREAMS_BIND:-127.0.0.1}:5551:5551",
    ]
    assert overlay["blob-store"]["ports"] == [
        "127.0.0.1:8333:8333",
        "${AZAION_S3_BIND:-127.0.0.1}:8334:8334",
    ]
    assert with_tls[: len(command)] == command
    assert {flag.partition("=")[0] for flag in with_tls[len(command) :]} == {
        "-s3.port.https",
        "-s3.cert.file",
        "-s3.key.file",
    }
    assert overlay["api"]["environment"].keys() == {"AZAION_API__TLS_CERTIFICATE", "AZAION_API__TLS_KEY"}


class _Tags(yaml.SafeLoader):
    """Reads compose's ``!override`` as what it is put before."""


def _sequence(loader: yaml.SafeLoader, node: yaml.Node) -> list[object]:
    assert isinstance(node, yaml.SequenceNode)
    return loader.construct_sequence(node)


_Tags.add_constructor("!override", _sequence)


def test_the_gpu_is_used_or_it_is_an_error() -> None:
    """Who has a card in the overlay is told to use it, and which card it is can be chosen for each."""
    overlay = yaml.safe_load((ROOT / "compose.gpu.yaml").read_text())["services"]
    cards = {
        name: container["deploy"]["resources"]["reservations"]["devices"][0]
        for name, container in overlay.items()
    }
    image = (ROOT / "deploy/docker/inferencer-gpu.Dockerfile").read_text()

    assert overlay.keys() == {"trainer", "inferencer", "gpu-exporter"}
    assert cards["trainer"]["device_ids"] != cards["inferencer"]["device_ids"]
    assert overlay["trainer"]["environment"] == {"AZAION_TRAINER__DEVICE": "0"}
    assert "AZAION_INFERENCER__ACCELERATOR=cuda" in image
    assert "check_cuda_libraries.sh" in image


def test_the_gpu_image_has_the_onnx_runtime_that_everything_else_is_tested_with() -> None:
    """Another version could want another CUDA, and would run on the CPU."""
    pins = dict(
        line.split("==")
        for line in (ROOT / "deploy/docker/requirements-cuda.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )

    assert f"onnxruntime=={pins['onnxruntime-gpu']}\n" in (ROOT / "constraints.txt").read_text()
    assert all(
        version.startswith("13.")
        for name, version in pins.items()
        if name in ("nvidia-cublas", "nvidia-cuda-runtime")
    )


def test_stream_clients_are_told_a_name_that_can_be_chosen() -> None:
    """A broker that names itself by its container's name loses every client from outside."""
    environment = SERVICES["rabbitmq"]["environment"]
    settings = (ROOT / "deploy/rabbitmq/rabbitmq.conf").read_text()

    assert environment["AZAION_STREAMS_HOST"] == "${AZAION_STREAMS_HOST:-rabbitmq}"
    assert "stream.advertised_host = $(AZAION_STREAMS_HOST)\n" in settings
    assert "stream.advertised_port = $(AZAION_STREAMS_PORT)\n" in settings


def test_configurations_are_files() -> None:
    """Compose copies one with a content of its own into its container, and cannot where the root file system is read-only."""
    assert [name for name, each in COMPOSE["configs"].items() if "file" not in each] == []
