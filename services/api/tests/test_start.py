"""Starting: secrets are made once, the port is taken or named, and the server stops when it is told to."""

from __future__ import annotations

import asyncio
import json
import ssl
import stat
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from testservers.certificates import make_certificate

from azaion_api.app import SERVICE, first_accounts
from azaion_api.secret_files import create_once, credentials
from azaion_api.web import create_app
from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.http_server import Tls, listen, serve
from azaion_common.testing import platform


async def test_the_first_start_makes_an_account_per_role_with_a_random_password(
    api: Any, tmp_path: Path
) -> None:
    """Each can log in with what its file says; only the owner may read the files."""
    await first_accounts(api.services.accounts, tmp_path / "secrets")

    passwords = set()
    for role in ("admin", "service", "device"):
        path = tmp_path / "secrets" / f"{role}.json"
        known = json.loads(path.read_text())
        passwords.add(known["password"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (await api.login(known["email"], known["password"])).status_code == 200
    assert len(passwords) == 3
    assert min(map(len, passwords)) >= 32


async def test_a_second_start_changes_nothing_and_a_deleted_file_means_a_new_password(
    api: Any, tmp_path: Path
) -> None:
    """Passwords stay across restarts; deleting the file is how one is replaced."""
    secrets = tmp_path / "secrets"
    await first_accounts(api.services.accounts, secrets)
    first = (secrets / "admin.json").read_text()

    await first_accounts(api.services.accounts, secrets)
    assert (secrets / "admin.json").read_text() == first
    (secrets / "admin.json").unlink()
    await first_accounts(api.services.accounts, secrets)

    old, new = json.loads(first), json.loads((secrets / "admin.json").read_text())
    assert (await api.login(old["email"], old["password"])).status_code == 401
    assert (await api.login(new["email"], new["password"])).status_code == 200


def test_two_processes_that_start_at_once_agree_on_a_secret(tmp_path: Path) -> None:
    """Whoever is first decides; nobody sees half a file, nothing is left over."""
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda i: create_once(tmp_path / "key", lambda: b"%d" % i * 1000), range(8)))

    assert len(set(made)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_damaged_credentials_are_named(tmp_path: Path) -> None:
    """One clear line says which file is damaged."""
    (tmp_path / "admin.json").write_text("{")

    with pytest.raises(PermanentError, match="credentials_invalid"):
        credentials(tmp_path / "admin.json", "a@b")


def test_a_password_is_not_in_a_representation(tmp_path: Path) -> None:
    """Logs and tracebacks that show credentials do not show the password."""
    made = credentials(tmp_path / "admin.json", "a@b")

    assert made.password not in repr(made)


def test_a_busy_port_is_one_clear_line() -> None:
    """A second server on the same port is told which one."""
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(PermanentError, match=f"127.0.0.1:{port}.*port_in_use"):
            listen("127.0.0.1", port)


async def test_the_server_answers_until_it_is_told_to_stop(api: Any) -> None:
    """It serves over a real socket and returns soon after ``stopping`` is set."""
    app = create_app(api.services, docs=False)
    listener, stopping = listen("127.0.0.1", 0), asyncio.Event()
    port = listener.getsockname()[1]

    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        group.create_task(serve(app, listener, stopping))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            alive = await client.get("/livez")
            docs = [(await client.get(path)).status_code for path in ("/docs", "/openapi.json")]
        stopping.set()

    assert alive.json() == {"status": "ok"}
    assert docs == [404, 404]


async def test_with_a_certificate_it_speaks_https_alone(api: Any, tmp_path: Path) -> None:
    """A client that trusts the authority is served; one that speaks plain HTTP is not, and sends no password in clear."""
    certificate, key = make_certificate(tmp_path)
    app = create_app(api.services, docs=False)
    listener, stopping = listen("127.0.0.1", 0), asyncio.Event()
    port = listener.getsockname()[1]

    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        group.create_task(serve(app, listener, stopping, tls=Tls(certificate, key)))
        context = ssl.create_default_context(cafile=certificate)
        async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=context) as client:
            alive = await client.get("/livez")
            kind = {"Content-Type": "application/json"}
            understood = await client.post("/login", content=_in_pieces(), headers=kind)
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.write(b"POST /login HTTP/1.1\r\nHost: api\r\nContent-Length: 1048576\r\n\r\nbegun")
            refused = await reader.readline()
            writer.close()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as plain:
            with pytest.raises(httpx.RemoteProtocolError):
                await plain.get("/livez")
        stopping.set()

    assert alive.json() == {"status": "ok"}
    assert understood.json()["code"] == "auth_denied"  # read as it was sent: JSON, and nobody's password
    assert refused.split()[1] == b"413"  # answered before all of it was sent, as without TLS


async def _in_pieces() -> AsyncIterator[bytes]:
    """A body whose parts arrive as TLS records of their own, some of them together."""
    for piece in (b'{"email": "nobody@example.org", ', b" " * 2000, b'"password": ', b'"not mine"', b"}"):
        yield piece


async def test_a_certificate_without_its_key_is_named(api: Any, tmp_path: Path) -> None:
    """The service ends with one line, instead of answering nobody."""
    certificate, _ = make_certificate(tmp_path)
    app = create_app(api.services, docs=False)

    with listen("127.0.0.1", 0) as listener, pytest.raises(PermanentError, match="tls_certificate_invalid"):
        await serve(app, listener, asyncio.Event(), tls=Tls(certificate))


@pytest.mark.slow
async def test_the_service_runs_on_a_platform(tmp_path: Path) -> None:
    """Started by the runtime it listens where ``platform.api_url`` says, lets its accounts in, and drains."""
    with listen("127.0.0.1", 0) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with platform(tmp_path) as opened, asyncio.timeout(20):
        running = asyncio.create_task(
            SERVICE.run(replace(opened, settings=opened.settings.model_copy(update={"api_url": url})))
        )
        known = await _credentials(tmp_path / "secrets" / "service.json", running)
        async with httpx.AsyncClient(base_url=url) as client:
            answer = await client.post("/login", json=known)
        opened.stopping.set()
        await running

    assert answer.status_code == 200


async def _credentials(path: Path, running: asyncio.Task[None]) -> dict[str, str]:
    while not path.with_name("api-signing-key.pem").exists():
        assert not running.done(), running.exception()
        await asyncio.sleep(0.02)
    known: dict[str, str] = json.loads(await asyncio.to_thread(path.read_text))
    return known
