"""The manifests of deploy/kubernetes: valid, complete, and with the rights that compose.yaml gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from azaion_common.platform.runtime.discovery import service_names

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
KUBERNETES = "1.34"
ON_DEVICES = {"inferencer"}


def manifests(folder: Path) -> Iterator[dict[str, Any]]:
    """What a kustomization of ``folder`` is made of."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    for name in kustomization.get("resources", []):
        yield from yaml.safe_load_all((folder / name).read_text())


BASE = list(manifests(FOLDER / "base"))
DEPLOYMENTS = {each["metadata"]["name"]: each for each in BASE if each["kind"] == "Deployment"}
PODS = {
    each["metadata"]["name"]: each["spec"]["template"]["spec"]
    for each in BASE
    if each["kind"] in ("Deployment", "Job")
}
every_pod = pytest.mark.parametrize("name", PODS)


@pytest.mark.parametrize("manifest", BASE, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_every_manifest_is_what_kubernetes_takes(manifest: dict[str, Any]) -> None:
    """Checked against the schemas of the API, with no field that they do not know."""
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_every_file_is_part_of_something() -> None:
    """A manifest that no kustomization names would be forgotten; a name without a file would end ``kubectl apply``."""
    for folder in {path.parent for path in FOLDER.rglob("kustomization.yaml")}:
        kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
        named = {
            *kustomization.get("resources", []),
            *(patch["path"] for patch in kustomization.get("patches", [])),
            *(file for each in kustomization.get("configMapGenerator", []) for file in each["files"]),
        }
        assert named == {path.name for path in folder.iterdir()} - {"kustomization.yaml"}


def test_every_service_has_a_deployment() -> None:
    """Whatever a server runs is run; what runs on devices is not."""
    assert DEPLOYMENTS.keys() == set(service_names()) - ON_DEVICES


@every_pod
def test_a_pod_has_few_rights(name: str) -> None:
    """No root, no writable root file system, no capabilities, no token of the cluster, and a limit of memory."""
    pod = PODS[name]
    (container,) = pod["containers"]

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]


@every_pod
def test_a_pod_gets_the_secrets_that_its_container_gets_in_compose(name: str) -> None:
    """The same accounts with the same rights: nobody is given more on a cluster."""
    compose = COMPOSE["services"][name]
    files = COMPOSE["secrets"]
    wanted = {each if isinstance(each, str) else each["source"] for each in compose["secrets"]}
    (volume,) = (each["secret"] for each in PODS[name]["volumes"] if each["name"] == "secrets")

    assert {item["key"] for item in volume["items"]} == {
        files[source]["file"].rpartition("/")[2] for source in wanted
    }


@every_pod
def test_a_pod_is_told_what_its_container_is_told(name: str) -> None:
    """The variables are those of compose.yaml, but for traces."""
    (container,) = PODS[name]["containers"]
    told = {each["name"]: each["value"] for each in container["env"]}
    expected = {key: str(value) for key, value in COMPOSE["services"][name]["environment"].items()}

    assert told == {key: value for key, value in expected.items() if not key.startswith("OTEL_")}


def test_the_gpu_component_changes_what_is_there() -> None:
    """Its patch finds the deployment, the container and the volume that it names."""
    patch = yaml.safe_load((FOLDER / "components/gpu/trainer.yaml").read_text())
    pod = patch["spec"]["template"]["spec"]
    trainer = PODS[patch["metadata"]["name"]]

    assert {each["name"] for each in pod["containers"]} <= {each["name"] for each in trainer["containers"]}
    assert {each["name"] for each in pod["volumes"]} <= {each["name"] for each in trainer["volumes"]}


def test_augmentors_are_scaled_on_a_metric_that_there_is() -> None:
    """KEDA asks for the lag that the services report, and scales a deployment of ours."""
    (scaled,) = manifests(FOLDER / "components/keda")
    query = scaled["spec"]["triggers"][0]["metadata"]["query"]

    assert scaled["spec"]["scaleTargetRef"]["name"] in DEPLOYMENTS
    assert "azaion_stream_lag_messages" in query
    assert "azaion_stream_lag_messages" in (ROOT / "deploy/prometheus/alerts.yml").read_text()
