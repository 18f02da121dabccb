"""Accounts of the API in a file or in a server: what strangers send reaches neither as something it cannot hold."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from azaion_api import tables
from azaion_api.accounts import Accounts
from azaion_api.resources import Resources
from azaion_api.routes import Services
from azaion_api.throttle import Throttle
from azaion_api.tokens import Role, Signer
from azaion_api.web import create_app
from azaion_common.platform.database.readings import Readings
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.storage.files import FileBlobStore

CASES = [
    ("a\x00@b", "x", 422),
    ("a@b", "x\x00", 422),
    ("a\ud800@b", "x", 422),
    ("a@b", "\udfffx", 422),
    ("\u0130" * 320, "x", 401),
    ("' OR 1=1 --", "x", 401),
    ("admin@example.org", "wrong", 401),
    ("admin@example.org", "right", 200),
]


@pytest.mark.parametrize(("email", "password", "status"), CASES)
async def test_a_login_is_answered_alike_by_every_database(
    ledger_url: str, tmp_path: Path, email: str, password: str, status: int
) -> None:
    """Text that a database cannot hold is the request's mistake; no driver's words come back."""
    async with (
        Ledger.open(ledger_url, "api", tables.METADATA) as ledger,
        Readings.open(ledger_url, "api") as reads,
    ):
        hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        services = Services(
            accounts=Accounts(ledger, reads, hasher),
            resources=Resources(ledger, reads, FileBlobStore.open(tmp_path / "resources")),
            signer=Signer(Ed25519PrivateKey.generate(), 600),
            throttle=Throttle(60, 5),
            max_upload_bytes=1000,
        )
        await services.accounts.ensure("admin@example.org", "right", Role.ADMIN)
        transport = httpx.ASGITransport(create_app(services, docs=False), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            text = json.dumps({"email": email, "password": password})
            answer = await client.post("/login", content=text, headers={"content-type": "application/json"})

    assert answer.status_code == status
    assert "psycopg" not in answer.text
    assert "sqlite" not in answer.text
