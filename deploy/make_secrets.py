"""Make the secrets of ``compose.yaml`` in ``deploy/secrets``: what is missing is made, what fits stays.

Passwords and keys are made once. What follows from them (addresses, the servers' lists of accounts and of what each
may do) is written anew where it does not fit any more: after an upgrade, or when a password was deleted to be made
again. Nobody but the owner can enter the folder. The files in it are readable, because each container that is given
one reads it under a user of its own. Only the standard library, for a host that has nothing else, and ``openssl``
for certificates. The certificate's names are those given with --host, and stay when a later run gives none.

    python3 deploy/make_secrets.py [FOLDER] [--host NAME]... [--device NAME]...
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import make_certificates
import rights

_ED25519_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
"""What precedes the 32 bytes of an Ed25519 key in PKCS 8 (RFC 8410, section 7)."""
_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What precedes those of a public one."""
_DEVICE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_FORMER_BLOB_KEY = "s3_secret_key"
"""Of version 0.1: an administrator's, and on every device. No server takes it any more."""


class Secrets:
    """A folder of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[str] = []
        self.changed: list[str] = []
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)

    def once(self, name: str, make: Callable[[], bytes]) -> str:
        """The content of ``name``, made when missing."""
        path = self.folder / name
        if not path.exists():
            self._write(name, make())
            self.made.append(name)
        return path.read_bytes().decode("latin-1").strip()

    def password(self, name: str) -> str:
        return self.once(name, lambda: secrets.token_urlsafe(24).encode())

    def derived(self, name: str, content: bytes) -> None:
        """Have ``name`` hold ``content``, which follows from other secrets."""
        path = self.folder / name
        if not path.exists():
            self.made.append(name)
        elif path.read_bytes() != content:
            self.changed.append(name)
        else:
            return
        self._write(name, content)

    def address(self, name: str, scheme: str, account: str, password: str, where: str) -> None:
        """A URL with ``password``; one that has it already may have been given another host by somebody."""
        path = self.folder / name
        if path.exists() and urlsplit(path.read_text().strip()).password == password:
            return
        self.derived(name, f"{scheme}://{account}:{password}@{where}".encode())

    def _write(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.new")
        draft.write_bytes(content)
        draft.chmod(0o444)
        draft.rename(path)


def main(folder: Path, hosts: tuple[str, ...] = (), devices: tuple[str, ...] = ()) -> None:
    """Make what is missing, and say what that was and what has to be started again.

    Args:
        folder: where secrets lie.
        hosts: names and addresses by which devices reach this machine, for its certificate.
        devices: names of devices that get an account of their own, and a folder to be copied to them.
    """
    vault = Secrets(folder)
    is_former = (folder / _FORMER_BLOB_KEY).exists()
    vault.password("grafana_password")
    postgres = vault.password("postgres_password")
    vault.address("ledger_url", "postgresql+psycopg", "azaion", postgres, "postgres:5432/azaion")
    for role in ("admin", "service", "device"):
        vault.once(f"{role}.json", partial(_account, role))
    vault.once("api-signing-key.pem", lambda: _private_pem(os.urandom(32)))
    vault.once("fleet.key", lambda: os.urandom(32))
    signing = vault.once("release-signing.pem", lambda: _private_pem(os.urandom(32)))
    vault.once("release-signing.pub.pem", lambda: _public_pem(_seed_of(signing)))
    made, changed = make_certificates.make(folder, hosts)
    vault.made += made
    vault.changed += changed
    for device in devices:
        _device_kit(vault, device, hosts[0] if hosts else make_certificates.outer_host(folder))
    _broker(vault)
    _blob_store(vault)
    _tell(vault, is_former=is_former)


def _broker(vault: Secrets) -> None:
    """Accounts of the broker, their addresses, and what each may do, as RabbitMQ imports it at its start."""
    passwords = {account: vault.password(f"rabbitmq_{account}_password") for account in rights.BROKER}
    for account, password in passwords.items():
        host = "127.0.0.1" if account == rights.ANNOTATIONS else "rabbitmq"
        name = "streams_url" if account == rights.OPERATOR else f"{account}_streams_url"
        vault.address(name, "rabbitmq-stream", account, password, f"{host}:5552/")
        if rights.BROKER[account].has_jobs:
            vault.address(name.replace("streams", "jobs"), "amqp", account, password, f"{host}:5672/")
    for device, folder in _kits(vault.folder):
        passwords[f"device-{device}"] = urlsplit((folder / "streams_url").read_text()).password or ""
    vault.derived("rabbitmq_definitions.json", _definitions(passwords))


def _blob_store(vault: Secrets) -> None:
    """Identities of the blob store, as SeaweedFS reads them."""
    keys = {identity: vault.password(f"s3_{identity}_key") for identity in rights.BLOB_STORE}
    for device, folder in _kits(vault.folder):
        keys[f"device-{device}"] = (folder / "releases_secret_key").read_text()
    identities = [
        {
            "name": name,
            "credentials": [{"accessKey": name, "secretKey": key}],
            "actions": list(rights.BLOB_STORE[_kind(name)]),
        }
        for name, key in keys.items()
    ]
    vault.derived("s3_identities.json", json.dumps({"identities": identities}, indent=1).encode())


def _device_kit(vault: Secrets, name: str, host: str | None) -> None:
    """``devices/NAME``: all that one device needs, with accounts of its own on broker and blob store."""
    if not _DEVICE_NAME.fullmatch(name):
        raise SystemExit(f"{name!r} names no device: small letters, digits and '-'")
    if host is None:
        raise SystemExit("by which name or address do devices reach this machine? --host NAME")
    within = f"devices/{name}/secrets"
    vault.once(
        f"{within}/streams_url",
        lambda: (
            f"rabbitmq-stream+tls://device-{name}:{secrets.token_urlsafe(24)}@{host}:5551/"
            "?ca=/run/secrets/ca".encode()
        ),
    )
    vault.password(f"{within}/releases_secret_key")
    for shared in ("device.json", "fleet.key", "release-signing.pub.pem", "ca.pem"):
        vault.derived(f"{within}/{shared}", (vault.folder / shared).read_bytes())
    settings = (Path(__file__).parent / "docker" / "edge.azaion.yaml").read_text()
    for placeholder, value in (("SERVER", host), ("DEVICE", name)):
        settings = settings.replace(placeholder, value)
    vault.once(f"devices/{name}/azaion.yaml", settings.encode)
    compose = (Path(__file__).parent / "docker" / "edge.compose.yaml").read_bytes()
    vault.once(f"devices/{name}/compose.yaml", lambda: compose)


def _kits(folder: Path) -> list[tuple[str, Path]]:
    """Devices with accounts of their own, and where their secrets lie. Who deletes the folder has revoked them."""
    return [(path.name, path / "secrets") for path in sorted((folder / "devices").glob("*")) if path.is_dir()]


def _kind(account: str) -> str:
    return rights.DEVICE if account.startswith(f"{rights.DEVICE}-") else account


def _account(role: str) -> bytes:
    return json.dumps({"email": f"{role}@azaion.local", "password": secrets.token_urlsafe(24)}).encode()


def _definitions(passwords: dict[str, str]) -> bytes:
    users = [
        {
            "name": name,
            "password_hash": _rabbitmq_hash(password),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": [],
        }
        for name, password in passwords.items()
    ]
    permissions = [
        {"user": name, "vhost": "/", **rights.BROKER[_kind(name)].as_regular_expressions()}
        for name in passwords
    ]
    content = {"vhosts": [{"name": "/"}], "users": users, "permissions": permissions}
    return json.dumps(content, indent=1).encode()


def _rabbitmq_hash(password: str) -> str:
    """Salted SHA-256, as RabbitMQ stores it (rabbitmq.com/docs/passwords); the same each time, so that a file that fits
    is left alone.
    """
    salt = hashlib.sha256(b"rabbitmq" + password.encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _private_pem(seed: bytes) -> bytes:
    return _pem("PRIVATE KEY", _ED25519_PKCS8 + seed)


def _public_pem(seed: bytes) -> bytes:
    return _pem("PUBLIC KEY", _ED25519_SPKI + _ed25519_public(seed))


def _pem(label: str, content: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{base64.b64encode(content).decode()}\n-----END {label}-----\n".encode()


def _seed_of(pem: str) -> bytes:
    return base64.b64decode("".join(pem.splitlines()[1:-1]))[-32:]


def _ed25519_public(seed: bytes) -> bytes:
    """The public key of an Ed25519 private one (RFC 8032, section 5.1.5)."""
    p = 2**255 - 19
    d = -121665 * pow(121666, -1, p) % p

    def add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
        (x1, y1), (x2, y2) = one, other
        product = d * x1 * x2 * y1 * y2
        return (
            (x1 * y2 + x2 * y1) * pow(1 + product, -1, p) % p,
            (y1 * y2 + x1 * x2) * pow(1 - product, -1, p) % p,
        )

    base = (
        15112221349535400772501151409588531511454012693041857206046113283949847762202,
        46316835694926478169428394003475163141307993866256225615783033603165251855960,
    )
    scalar = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little") & ((1 << 254) - 8) | 1 << 254
    point = (0, 1)
    while scalar:
        if scalar & 1:
            point = add(point, base)
        base, scalar = add(base, base), scalar >> 1
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def _tell(vault: Secrets, *, is_former: bool) -> None:
    made = f"made {len(vault.made)}: {', '.join(vault.made)}" if vault.made else "all were there"
    print(f"secrets in {vault.folder}: {made}")
    if vault.changed:
        print(f"written anew, to fit: {', '.join(vault.changed)}")
    if vault.changed or is_former:
        print("A running system takes them up with: docker compose up -d --force-recreate")
    if vault.made:
        print("Keep a copy of them apart from the backups: without fleet.key no published model opens.")
    if is_former:
        print(
            f"{_FORMER_BLOB_KEY} is of version 0.1 and lies on every device: the blob store no longer takes it. Give each\n"
            "device a folder of its own (make device NAME=…), then delete it. See docs/operations.md, 'Upgrade from 0.1'."
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "secrets")
    parser.add_argument(
        "--host", action="append", default=[], help="name or address of this machine, as devices reach it"
    )
    parser.add_argument("--device", action="append", default=[], help="make a folder for this device, too")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = _arguments()
    main(chosen.folder, tuple(chosen.host), tuple(chosen.device))
