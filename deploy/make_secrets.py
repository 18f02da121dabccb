"""Make the secrets of ``compose.yaml`` in ``deploy/secrets``: once, and what is there stays.

Nobody but the owner can enter the folder. The files in it are readable, because each container that is given one
reads it under a user of its own. Only the standard library, for a host that has nothing else.

    python3 deploy/make_secrets.py [FOLDER]
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

_ED25519_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
"""What precedes the 32 bytes of an Ed25519 key in PKCS 8 (RFC 8410, section 7)."""
_ANNOTATIONS = r"^azaion-annotations$"
_TO_DEVICES, _FROM_DEVICES = r"^azaion\.(models|devices|dead-letters)$", r"^azaion\.(devices|dead-letters)$"


class Secrets:
    """A folder of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[str] = []
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)

    def once(self, name: str, make: Callable[[], bytes]) -> str:
        """The content of ``name``, made when missing."""
        path = self.folder / name
        if not path.exists():
            draft = path.with_name(f".{name}.new")
            draft.write_bytes(make())
            draft.chmod(0o444)
            draft.rename(path)
            self.made.append(name)
        return path.read_bytes().decode("latin-1").strip()

    def password(self, name: str) -> str:
        return self.once(name, lambda: secrets.token_urlsafe(24).encode())


def main(folder: Path) -> None:
    """Make what is missing and say what that was."""
    vault = Secrets(folder)
    services, devices, tools = (
        vault.password(f"rabbitmq_{user}_password") for user in ("azaion", "device", "annotations")
    )
    postgres = vault.password("postgres_password")
    s3 = vault.password("s3_secret_key")
    vault.password("grafana_password")
    vault.once("rabbitmq_definitions.json", lambda: _definitions(services, devices, tools))
    vault.once("streams_url", lambda: _streams("azaion", services, "rabbitmq"))
    vault.once("device_streams_url", lambda: _streams("device", devices, "rabbitmq"))
    vault.once("annotations_streams_url", lambda: _streams("annotations", tools, "127.0.0.1"))
    vault.once("jobs_url", lambda: f"amqp://azaion:{services}@rabbitmq:5672/".encode())
    vault.once("ledger_url", lambda: f"postgresql+psycopg://azaion:{postgres}@postgres:5432/azaion".encode())
    vault.once("s3_identities.json", lambda: _identities(s3))
    for role in ("admin", "service", "device"):
        vault.once(f"{role}.json", partial(_account, role))
    vault.once("api-signing-key.pem", _signing_key)
    vault.once("fleet.key", lambda: os.urandom(32))
    there = "all were there" if not vault.made else f"made {len(vault.made)}: {', '.join(vault.made)}"
    print(f"secrets in {folder}: {there}")
    if vault.made:
        print("Keep a copy of them apart from the backups: without fleet.key no published model opens.")


def _streams(user: str, password: str, host: str) -> bytes:
    return f"rabbitmq-stream://{user}:{password}@{host}:5552/".encode()


def _account(role: str) -> bytes:
    return json.dumps({"email": f"{role}@azaion.local", "password": secrets.token_urlsafe(24)}).encode()


def _signing_key() -> bytes:
    body = base64.b64encode(_ED25519_PKCS8 + os.urandom(32)).decode()
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n".encode()


def _definitions(services: str, devices: str, tools: str) -> bytes:
    """Users and what they may do, as RabbitMQ imports them at its start."""

    def user(name: str, password: str) -> dict[str, object]:
        return {
            "name": name,
            "password_hash": _rabbitmq_hash(password),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": [],
        }

    def may(name: str, configure: str, write: str, read: str) -> dict[str, str]:
        return {"user": name, "vhost": "/", "configure": configure, "write": write, "read": read}

    return json.dumps(
        {
            "vhosts": [{"name": "/"}],
            "users": [user("azaion", services), user("device", devices), user("annotations", tools)],
            "permissions": [
                may("azaion", ".*", ".*", ".*"),
                may("device", _TO_DEVICES, _FROM_DEVICES, _TO_DEVICES),
                may("annotations", _ANNOTATIONS, _ANNOTATIONS, _ANNOTATIONS),
            ],
        },
        indent=1,
    ).encode()


def _rabbitmq_hash(password: str) -> str:
    """Salted SHA-256, as RabbitMQ stores it (rabbitmq.com/docs/passwords)."""
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _identities(secret_key: str) -> bytes:
    """Who may use the blob store, as SeaweedFS reads it."""
    identity = {
        "name": "azaion",
        "credentials": [{"accessKey": "azaion", "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    return json.dumps({"identities": [identity]}, indent=1).encode()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "secrets")
