"""`make secrets`: once, complete, and in the forms that servers and services read."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from rehearsal.secrecy import canaries

from azaion_api.tokens import load_key
from azaion_common.packages import load_fleet_key
from azaion_common.runtime.settings import PlatformSettings
from azaion_common.streams.rabbitmq import StreamsLocation

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("secrets") / "made"
    make(made)
    return made


def make(folder: Path) -> str:
    program = ROOT / "deploy/make_secrets.py"
    return subprocess.run(
        [sys.executable, "-I", program, folder], check=True, capture_output=True, text=True
    ).stdout


def test_a_second_run_changes_nothing(folder: Path) -> None:
    """What a running system uses is never replaced."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    assert "all were there" in make(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_nobody_else_can_enter_the_folder(folder: Path) -> None:
    """The files are readable for the users of containers; on the host the folder keeps everybody out."""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_everything_that_compose_names_is_made(folder: Path) -> None:
    """No container waits for a secret that is missing."""
    wanted = yaml.safe_load((ROOT / "compose.yaml").read_text())["secrets"]

    assert {Path(each["file"]).name for each in wanted.values()} <= {path.name for path in folder.iterdir()}


def test_the_passwords_in_addresses_are_those_that_the_servers_know(folder: Path) -> None:
    """RabbitMQ takes the users of its definitions by their hashes, the blob store its one identity."""
    definitions = json.loads((folder / "rabbitmq_definitions.json").read_text())
    hashes = {user["name"]: base64.b64decode(user["password_hash"]) for user in definitions["users"]}
    for name in ("streams_url", "device_streams_url", "annotations_streams_url"):
        location = StreamsLocation.parse((folder / name).read_text())
        salted = hashes[location.username]
        assert salted[4:] == hashlib.sha256(salted[:4] + location.password.encode()).digest()
    identity = json.loads((folder / "s3_identities.json").read_text())["identities"][0]["credentials"][0]
    assert identity["secretKey"] == (folder / "s3_secret_key").read_text()
    assert (
        urlsplit((folder / "ledger_url").read_text()).password == (folder / "postgres_password").read_text()
    )


def test_services_read_their_keys_and_settings(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signing key, the fleet key and the settings that the containers get are valid for the code that reads them."""
    load_key((folder / "api-signing-key.pem").read_bytes())
    assert len(load_fleet_key(folder / "fleet.key")) == 32
    environment = yaml.safe_load((ROOT / "compose.yaml").read_text())["x-service"]["environment"]
    for name, value in environment.items():
        if value.startswith("/run/secrets/"):
            monkeypatch.setenv(name, str(folder / Path(value).name))
    (tmp_path / "azaion.yaml").write_text((ROOT / "deploy/settings/azaion.yaml").read_text())

    settings = PlatformSettings.load(tmp_path, "platform")

    assert settings.ledger_url is not None
    assert settings.ledger_url.get_secret_value() == (folder / "ledger_url").read_text()
    assert settings.s3_endpoint_url == "http://blob-store:8333"


def test_the_search_for_secrets_knows_them_all(folder: Path) -> None:
    """The rehearsal looks for every password, key and address with a password that was made, in each of its forms."""
    wanted = canaries(folder)

    for name in (
        "postgres_password",
        "s3_secret_key",
        "grafana_password",
        "streams_url",
        "jobs_url",
        "ledger_url",
    ):
        assert (folder / name).read_bytes() in wanted
    for role in ("admin", "service", "device"):
        assert json.loads((folder / f"{role}.json").read_text())["password"].encode() in wanted
    assert (folder / "api-signing-key.pem").read_bytes().splitlines()[1] in wanted
    assert len(wanted) >= 14
