"""A publisher on a real embedded platform, with an API that a test makes fail."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from azaion_common.contracts.events import ModelExported, Parity
from azaion_common.contracts.events.models import STREAM
from azaion_common.packages import FleetKeyWrapper, trusting
from azaion_common.platform.jobs import Job
from azaion_common.platform.ledger.decoding import decode_event
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.relay import Relay
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.transports import log_path
from azaion_common.platform.storage import BlobStore
from azaion_common.testing import platform as embedded
from azaion_publisher import tables
from azaion_publisher.adapters.api import ApiSmallParts
from azaion_publisher.announced import Announced
from azaion_publisher.plan import job_for
from azaion_publisher.publishing import Publisher

KEY = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
PASSWORD = "the service's password"


class Crash(BaseException):
    """The process dies here."""


@dataclass
class FakeApi:
    """The routes that the publisher uses, and the ways in which a server goes wrong."""

    stored: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    logins: int = 0
    fail_next: list[httpx.Response | Exception] = field(default_factory=list)
    """Given in place of the next answers."""
    lies: bool = False
    """Says that it stored what it did not."""
    requests: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request.url.path)
        if self.fail_next:
            failure = self.fail_next.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        if request.url.path == "/login":
            return self._login(request)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return problem(401, "token_invalid")
        if request.url.path.startswith("/resources/get/"):
            return self._get(request)
        return self._put(request)

    def _login(self, request: httpx.Request) -> httpx.Response:
        if json.loads(request.content) != {"email": "service@example.org", "password": PASSWORD}:
            return problem(401, "auth_denied")
        self.logins += 1
        self.tokens.add(f"token-{self.logins}")
        return httpx.Response(
            200, json={"token": f"token-{self.logins}", "expiresAt": "2030-01-01T00:00:00Z"}
        )

    def _get(self, request: httpx.Request) -> httpx.Response:
        path = f"{request.url.path.rpartition('/')[2]}/{json.loads(request.content)['fileName']}"
        return (
            httpx.Response(200, content=self.stored[path])
            if path in self.stored
            else problem(404, "resource_missing")
        )

    def _put(self, request: httpx.Request) -> httpx.Response:
        head, _, rest = request.content.partition(b"\r\n\r\n")
        name = re.search(rb'filename="([^"]+)"', head)
        assert name
        boundary = head.split(b"\r\n")[0]
        data = rest[: rest.rindex(b"\r\n" + boundary)]
        path = f"{request.url.path.rpartition('/')[2]}/{name[1].decode()}"
        if self.stored.get(path, data) != data:
            return problem(409, "resource_exists")
        self.stored[path] = b"\x00" + data[1:] if self.lies else data
        return httpx.Response(201, json={})


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": "as the test wants it"}, headers=headers)


@dataclass
class Bench:
    """The publisher, what it stands on, and an export to publish."""

    platform: Platform
    ledger: Ledger
    api: FakeApi
    publisher: Publisher
    export: ModelExported
    pauses: list[float]
    credentials: Path
    releases: BlobStore

    def crash_at(self, step: str) -> Publisher:
        """A publisher whose process dies before ``step``."""

        def on_step(reached: str) -> None:
            if reached == step:
                raise Crash(step)

        return replace(self.publisher, on_step=on_step)

    def job(self, export: ModelExported | None = None) -> Job:
        planned = job_for(export or self.export)
        return Job(planned.queue, planned.job_id, planned.body, attempt=1)

    async def publish(self, publisher: Publisher | None = None, export: ModelExported | None = None) -> None:
        """Run a job as the worker does: effects, outbox and the end of the job in one transaction."""
        finish = await (publisher or self.publisher).run(self.job(export))
        await self.ledger.transact(lambda c: self.ledger.emit(c, finish(c)))

    async def events(self) -> list[Any]:
        """What the stream holds, once the outbox is sent."""
        await Relay(self.ledger, self.platform.log, self.platform.jobs).flush()
        found = [decode_event(record) for record in await self.platform.log.read(STREAM)]
        return [delivery.content for delivery in found if delivery]

    async def forget_stream(self) -> None:
        """The stream as it was before anything was released."""
        with closing(sqlite3.connect(log_path(self.platform.home))) as log, log:
            log.execute("DELETE FROM messages")

    async def another_export(self, number: int) -> ModelExported:
        artifact = await self.platform.blobs.put(b"model %d" % number * 10_000, "application/onnx")
        return self.export.model_copy(update={"model_id": f"{number:016x}", "artifact": artifact})


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    api, pauses = FakeApi(), list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    credentials = tmp_path / "service.json"
    credentials.write_text(json.dumps({"email": "service@example.org", "password": PASSWORD}))
    async with (
        embedded(tmp_path / "home") as platform,
        platform.open_releases() as releases,
        Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite", "publisher", tables.METADATA) as ledger,
        httpx.AsyncClient(transport=httpx.MockTransport(api), base_url="http://api") as http,
    ):
        publisher = Publisher(
            ledger=ledger,
            blobs=platform.blobs,
            releases=releases,
            small_parts=ApiSmallParts(http, "models", credentials, deadline_s=60, sleep=pause),
            wrapper=FleetKeyWrapper(b"k" * 32),
            signing_key=KEY,
            announced=Announced(platform.log, trusting([KEY.public_key()])),
            work=tmp_path / "work",
        )
        artifact = await platform.blobs.put(b"an ONNX file" * 10_000, "application/onnx")
        yield Bench(platform, ledger, api, publisher, exported(artifact), pauses, credentials, releases)


def exported(artifact: Any) -> ModelExported:
    return ModelExported(
        model_id="0123456789abcdef", target="onnx", imgsz=320, batch=1, artifact=artifact,
        parity=Parity(
            pictures=1, expected=1, matched=1, unexpected=0, min_iou=1, mean_iou=1, max_score_difference=0, passed=True
        ),
        class_names=("car",), class_colours=("#ff0000",), details={"origin": "model.trained"},
        thresholds={"car": 0.31},
    )  # fmt: skip
