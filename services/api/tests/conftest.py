"""An API on a real ledger and real files in a temporary folder, called without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
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
from azaion_api.tokens import Identity, Role, Signer
from azaion_api.web import create_app
from azaion_common.platform.database.engine import sqlite_url
from azaion_common.platform.database.readings import Readings
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.storage.files import FileBlobStore

MAX_UPLOAD_BYTES = 100_000
PASSWORD = "correct horse battery staple"


@dataclass
class Clock:
    """A monotonic clock that a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Api:
    """The client, and what a test wants to reach behind it."""

    client: httpx.AsyncClient
    services: Services
    key: Ed25519PrivateKey
    clock: Clock
    folder: Path

    def bearer(self, role: Role) -> dict[str, str]:
        token = self.services.signer.issue(Identity(f"{role}@example.org", role), datetime.now(UTC))
        return {"Authorization": f"Bearer {token.text}"}

    async def login(self, email: str, password: str) -> httpx.Response:
        return await self.client.post("/login", json={"email": email, "password": password})

    async def upload(self, folder: str, name: str, data: bytes, role: Role = Role.SERVICE) -> httpx.Response:
        return await self.client.post(
            f"/resources/{folder}", files={"data": (name, data)}, headers=self.bearer(role)
        )

    async def fetch(self, folder: str, name: str, role: Role = Role.DEVICE) -> httpx.Response:
        return await self.client.post(
            f"/resources/get/{folder}", json={"fileName": name}, headers=self.bearer(role)
        )


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    key, clock = Ed25519PrivateKey.generate(), Clock()
    url = sqlite_url(tmp_path / "api.sqlite")
    async with Ledger.open(url, "api", tables.METADATA) as ledger, Readings.open(url, "api") as readings:
        cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        services = Services(
            accounts=Accounts(ledger, readings, cheap),
            resources=Resources(ledger, readings, FileBlobStore.open(tmp_path / "resources")),
            signer=Signer(key, lifetime_s=600),
            throttle=Throttle(window_s=60, attempts=5),
            max_upload_bytes=MAX_UPLOAD_BYTES,
            monotonic=clock,
        )
        await services.accounts.ensure("admin@example.org", PASSWORD, Role.ADMIN)
        app = create_app(services, docs=True)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield Api(client, services, key, clock, tmp_path)
