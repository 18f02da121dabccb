"""`make secrets`: once, complete, and in the forms that servers and services read."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import make_certificates
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from rehearsal.secrecy import canaries

from azaion_api.tokens import load_key
from azaion_common.packages import load_fleet_key
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.streams.rabbitmq import StreamsLocation

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("secrets") / "made"
    make(made, "--host", "server.example.org", "--host", "10.0.0.5", "--device", "roof")
    return made


def make(folder: Path, *arguments: str) -> str:
    """With a Python that has its standard library and nothing else."""
    program = ROOT / "deploy/make_secrets.py"
    return subprocess.run(
        [sys.executable, "-E", "-s", "-S", program, folder, *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_run_changes_nothing(folder: Path) -> None:
    """What a running system uses is never replaced, and what fits is not written anew."""
    before = contents(folder)

    assert "all were there" in make(folder)
    assert contents(folder) == before


def test_a_deleted_password_is_made_anew_with_all_that_follows_from_it(folder: Path, tmp_path: Path) -> None:
    """One account changes, in its address and in the servers' lists; nothing else does, and what to do next is said."""
    rotated = tmp_path / "rotated"
    shutil.copytree(folder, rotated)
    (rotated / "rabbitmq_trainer_password").unlink()
    (rotated / "s3_trainer_key").unlink()

    said = make(rotated)

    before, after = contents(folder), contents(rotated)
    assert {name for name in before if before[name] != after[name]} == {
        "rabbitmq_trainer_password",
        "trainer_streams_url",
        "trainer_jobs_url",
        "rabbitmq_definitions.json",
        "s3_trainer_key",
        "s3_identities.json",
    }
    assert "docker compose up -d --force-recreate" in said


def test_a_folder_of_version_0_1_gets_what_it_lacks(tmp_path: Path) -> None:
    """Its passwords stay, its lists of accounts do not: the one key of the blob store, which is on every device, is taken
    by no server any more.
    """
    former = {
        "rabbitmq_azaion_password": "services",
        "rabbitmq_device_password": "devices",
        "rabbitmq_annotations_password": "tools",
        "device_streams_url": "rabbitmq-stream://device:devices@server.example.org:5552/",
        "streams_url": "rabbitmq-stream://azaion:services@rabbitmq:5552/",
        "postgres_password": "rows",
        "ledger_url": "postgresql+psycopg://azaion:rows@postgres:5432/azaion",
        "s3_secret_key": "an administrator's",
        "s3_identities.json": json.dumps({"identities": [{"name": "azaion", "actions": ["Admin"]}]}),
        "rabbitmq_definitions.json": "{}",
        "fleet.key": "f" * 32,
    }
    for name, content in former.items():
        (tmp_path / name).write_text(content)

    said = make(tmp_path)

    kept = former.keys() - {"s3_identities.json", "rabbitmq_definitions.json"}
    assert {name: (tmp_path / name).read_text() for name in kept} == {name: former[name] for name in kept}
    assert "an administrator's" not in (tmp_path / "s3_identities.json").read_text()
    assert "written anew, to fit: rabbitmq_definitions.json, s3_identities.json" in said
    assert "Upgrade from 0.1" in said


def test_a_device_gets_a_folder_with_accounts_of_its_own(folder: Path, tmp_path: Path) -> None:
    """All that its compose file names, addresses that speak TLS, and nothing that another account's owner has."""
    kit = folder / "devices" / "roof"
    compose = yaml.safe_load((kit / "compose.yaml").read_text())
    settings = yaml.safe_load((kit / "azaion.yaml").read_text())
    location = StreamsLocation.parse((kit / "secrets/streams_url").read_text())

    assert all((kit / each["file"]).exists() for each in compose["secrets"].values())
    assert settings["platform"]["api_url"] == "https://server.example.org:8400"
    assert settings["platform"]["s3_endpoint_url"] == "https://server.example.org:8334"
    assert settings["platform"]["releases_access_key"] == location.username == "device-roof"
    assert (location.host, location.port, location.tls) == ("server.example.org", 5551, True)
    own = {location.password, (kit / "secrets/releases_secret_key").read_text()}
    assert not own & {path.read_text("latin-1") for path in folder.iterdir() if path.is_file()}
    (tmp_path / "azaion.yaml").write_text((kit / "azaion.yaml").read_text())
    PlatformSettings.load(tmp_path, "platform")


def test_a_device_whose_folder_is_deleted_is_let_in_no_more(folder: Path, tmp_path: Path) -> None:
    """Revoked by itself: no other device has to be given anything new."""
    revoked = tmp_path / "revoked"
    shutil.copytree(folder, revoked)
    make(revoked, "--device", "yard")
    shutil.rmtree(revoked / "devices/roof")

    make(revoked)

    for name in ("rabbitmq_definitions.json", "s3_identities.json"):
        text = (revoked / name).read_text()
        assert ("device-roof" in text, "device-yard" in text) == (False, True)


def test_servers_have_a_certificate_for_each_of_their_names(folder: Path, tmp_path: Path) -> None:
    """Signed by this installation's own authority; a later host is added to those before, by the same one."""
    later = tmp_path / "later"
    shutil.copytree(folder, later)

    make(later, "--host", "second.example.org")

    subprocess.run(["openssl", "verify", "-CAfile", folder / "ca.pem", later / "server.pem"], check=True)
    names = {"server.example.org", "10.0.0.5", "rabbitmq", "api", "blob-store", "127.0.0.1"}
    assert set(make_certificates._hosts_of(folder / "server.pem")) >= names
    assert set(make_certificates._hosts_of(later / "server.pem")) >= names | {"second.example.org"}


def test_a_certificate_that_runs_out_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A month before; the authority stays, so that devices need nothing new."""
    monkeypatch.setattr(make_certificates, "_SERVER_DAYS", "20")
    make_certificates.make(tmp_path, ["server.example.org"])
    authority = (tmp_path / "ca.pem").read_bytes()
    monkeypatch.undo()

    assert make_certificates.make(tmp_path, []) == ([], ["server.pem", "server-key.pem"])
    assert make_certificates.make(tmp_path, []) == ([], [])
    assert (tmp_path / "ca.pem").read_bytes() == authority
    assert make_certificates.outer_host(tmp_path) == "server.example.org"


def test_the_key_that_signs_releases_and_the_one_that_devices_pin_belong_together(folder: Path) -> None:
    """Derived without a library: the public key is the private one's."""
    private = load_pem_private_key((folder / "release-signing.pem").read_bytes(), None)
    public = load_pem_public_key((folder / "release-signing.pub.pem").read_bytes())

    assert isinstance(private, Ed25519PrivateKey)
    assert isinstance(public, Ed25519PublicKey)
    assert private.public_key().public_bytes_raw() == public.public_bytes_raw()


def test_nobody_else_can_enter_the_folder(folder: Path) -> None:
    """The files are readable for the users of containers; on the host the folder keeps everybody out."""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_everything_that_compose_names_is_made(folder: Path) -> None:
    """No container waits for a secret that is missing."""
    wanted = yaml.safe_load((ROOT / "compose.yaml").read_text())["secrets"]

    assert {Path(each["file"]).name for each in wanted.values()} <= {path.name for path in folder.iterdir()}


def test_the_passwords_in_addresses_are_those_that_the_servers_know(folder: Path) -> None:
    """RabbitMQ takes the users of its definitions by their hashes, the blob store its identities by their keys."""
    definitions = json.loads((folder / "rabbitmq_definitions.json").read_text())
    hashes = {user["name"]: base64.b64decode(user["password_hash"]) for user in definitions["users"]}
    for name in [path.name for path in folder.glob("*streams_url")]:
        location = StreamsLocation.parse((folder / name).read_text())
        salted = hashes[location.username]
        assert salted[4:] == hashlib.sha256(salted[:4] + location.password.encode()).digest()
    identities = json.loads((folder / "s3_identities.json").read_text())["identities"]
    keys = {each["name"]: each["credentials"][0]["secretKey"] for each in identities}
    assert keys.pop("device-roof") == (folder / "devices/roof/secrets/releases_secret_key").read_text()
    assert keys == {name: (folder / f"s3_{name}_key").read_text() for name in keys}
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
            source = {"s3_secret_key": "s3_trainer_key"}.get(Path(value).name, Path(value).name)
            monkeypatch.setenv(name, str(folder / source))
    monkeypatch.setenv("AZAION_PLATFORM__S3_ACCESS_KEY", "trainer")
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
        "s3_trainer_key",
        "devices/roof/secrets/streams_url",
        "grafana_password",
        "streams_url",
        "jobs_url",
        "ledger_url",
    ):
        assert (folder / name).read_bytes() in wanted
    for role in ("admin", "service", "device"):
        assert json.loads((folder / f"{role}.json").read_text())["password"].encode() in wanted
    for key in ("api-signing-key.pem", "server-key.pem", "release-signing.pem"):
        assert (folder / key).read_bytes().splitlines()[1] in wanted
    assert (folder / "server.pem").read_bytes().splitlines()[1] not in wanted
    assert len(wanted) >= 14


def test_settings_of_a_private_clone_can_be_read_by_the_servers(tmp_path: Path) -> None:
    """A clone made under umask 077 runs: servers read what is mounted into them under users of their own."""
    root = Path(__file__).parents[2]
    shutil.copy(root / "Makefile", tmp_path)
    shutil.copytree(root / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    mounted = list((tmp_path / "deploy/prometheus").rglob("*"))
    for path in mounted:
        path.chmod(0o600)

    subprocess.run(["make", "-C", tmp_path, "secrets", "PYTHON=true"], check=True, capture_output=True)

    assert all(path.stat().st_mode & 0o044 == 0o044 for path in mounted)
