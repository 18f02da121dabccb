"""Resources: who may store and fetch them, under which names, and that they never change."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from azaion_api.tokens import Role

HOSTILE_NAMES = [
    "..",
    "../x",
    "a/../b",
    "a..b",
    ".hidden",
    "-rf",
    "a b",
    "a\x00b",
    "é",
    "x" * 129,
    "a\\b",
    "C:x",
    "",
    "a\n",
]


@pytest.mark.parametrize(
    ("role", "store_status", "fetch_status"),
    [(Role.ADMIN, 201, 200), (Role.SERVICE, 201, 200), (Role.DEVICE, 403, 404), (None, 401, 401)],
)
async def test_who_may_do_what(api: Any, role: Role | None, store_status: int, fetch_status: int) -> None:
    """Administrators and services store and fetch, devices only fetch, strangers do neither."""
    headers = api.bearer(role) if role else {}

    stored = await api.client.post("/resources/models", files={"data": ("a.small", b"1")}, headers=headers)
    fetched = await api.client.post("/resources/get/models", json={"fileName": "a.small"}, headers=headers)

    assert (stored.status_code, fetched.status_code) == (store_status, fetch_status)


@pytest.mark.parametrize("role", [*Role, None])
async def test_everybody_may_ask_whether_the_api_is_well(api: Any, role: Role | None) -> None:
    """Probes and the description of the API need no account."""
    headers = api.bearer(role) if role else {}
    for path in ("/health", "/livez", "/openapi.json", "/docs"):
        assert (await api.client.get(path, headers=headers)).status_code == 200


async def test_what_was_stored_comes_back_with_its_hash(api: Any) -> None:
    """The bytes, an ETag and a Repr-Digest."""
    data = bytes(range(256))
    stored = await api.upload("models", "a.small", data)

    fetched = await api.fetch("models", "a.small")

    digest = hashlib.sha256(data)
    assert stored.json() == {
        "folder": "models", "fileName": "a.small", "sha256": digest.hexdigest(), "sizeBytes": 256
    }  # fmt: skip
    assert fetched.content == data
    assert fetched.headers["etag"] == f'"{digest.hexdigest()}"'
    assert fetched.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert fetched.headers["content-type"] == "application/octet-stream"


async def test_the_same_bytes_may_be_stored_again(api: Any) -> None:
    """A retry after a lost answer is harmless."""
    first, second = [await api.upload("models", "a", b"same") for _ in range(2)]

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()


async def test_a_resource_never_changes(api: Any) -> None:
    """Other bytes under a name that is taken are refused, and the first ones stay."""
    await api.upload("models", "a", b"first")

    answer = await api.upload("models", "a", b"second")

    assert answer.status_code == 409
    assert answer.json()["code"] == "resource_exists"
    assert (await api.fetch("models", "a")).content == b"first"


async def test_of_many_at_once_one_wins(api: Any) -> None:
    """Writers that race for a name leave one whole resource; the others are told."""
    answers = await asyncio.gather(*(api.upload("models", "a", b"%d" % i * 100) for i in range(8)))

    statuses = sorted(a.status_code for a in answers)
    assert statuses == [201] + [409] * 7
    winner = next(a for a in answers if a.status_code == 201).json()["sha256"]
    assert hashlib.sha256((await api.fetch("models", "a")).content).hexdigest() == winner


async def test_the_same_name_in_two_folders_is_two_resources(api: Any) -> None:
    """Folders keep apart."""
    await api.upload("one", "a", b"1")
    await api.upload("two", "a", b"2")

    assert (await api.fetch("one", "a")).content == b"1"
    assert (await api.fetch("two", "a")).content == b"2"


async def test_a_missing_resource_is_a_typed_problem(api: Any) -> None:
    """404, with a code that programs can rely on."""
    answer = await api.fetch("models", "nothing")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:azaion:problem:resource_missing", "title": "Not Found", "status": 404,
        "code": "resource_missing", "detail": "there is no nothing in models",
    }  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_a_hostile_file_name_is_refused(api: Any, name: str) -> None:
    """Names cannot leave their folder, hide, or mean something to a shell, stored or fetched."""
    stored = await api.upload("models", name, b"x")
    fetched = await api.fetch("models", name)

    assert stored.status_code in (400, 422)  # an empty name is refused by the form parser already
    assert fetched.status_code == 422
    assert not [f for f in (api.folder / "resources").rglob("*") if f.is_file()]


@pytest.mark.parametrize("folder", ["..%2f..", "..", "%2e%2e", ".git", "a%00b", "a%5cb", "x" * 129, "a%2fb"])
async def test_a_hostile_folder_is_refused(api: Any, folder: str) -> None:
    """The folder is one safe name; anything else is refused or is no route."""
    stored = await api.upload(folder, "a", b"x")
    fetched = await api.fetch(folder, "a")

    assert stored.status_code in (404, 405, 422)
    assert fetched.status_code in (404, 405, 422)
    assert not [f for f in (api.folder / "resources").rglob("*") if f.is_file()]


async def test_an_upload_beyond_the_limit_is_refused(api: Any) -> None:
    """An announced length beyond the limit is refused before any of it is read."""
    was_read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal was_read
        was_read = True
        yield b"x"

    headers = api.bearer(Role.SERVICE) | {"content-length": "200000"}
    answer = await api.client.post("/resources/models", content=body(), headers=headers)

    assert answer.status_code == 413
    assert answer.json()["code"] == "body_too_large"
    assert not was_read


async def test_an_upload_that_does_not_say_its_length_is_cut_off(api: Any) -> None:
    """A stream without end is read up to the limit and no further."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\n'
        while sent < 100_000_000:
            sent += 10_000
            yield b"x" * 10_000

    headers = api.bearer(Role.SERVICE) | {"content-type": "multipart/form-data; boundary=b"}
    answer = await api.client.post("/resources/models", content=endless(), headers=headers)

    assert answer.status_code == 413
    assert sent < 300_000


async def test_strangers_are_refused_before_their_upload_is_read(api: Any) -> None:
    """Without a token not one byte of the body is taken in."""
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(5):
            sent += 1
            yield b"x"

    answer = await api.client.post(
        "/resources/models", content=body(), headers={"content-type": "multipart/form-data; boundary=b"}
    )

    assert answer.status_code == 401
    assert sent <= 1


@pytest.mark.parametrize(
    "request_parts",
    [
        {"files": {"other": ("a", b"x")}},
        {"files": [("data", ("a", b"x")), ("data", ("b", b"y"))]},
        {"files": {"data": ("a", b"x")}, "data": {"more": "1"}},
        {"data": {"data": "text"}},
        {"content": b"{}", "headers": {"content-type": "application/json"}},
        {"content": b"junk", "headers": {"content-type": "multipart/form-data"}},
    ],
)
async def test_a_form_that_is_not_one_file_is_refused(api: Any, request_parts: dict[str, Any]) -> None:
    """Exactly one file in the field ``data``; anything else is a typed 4xx."""
    headers = api.bearer(Role.SERVICE) | request_parts.pop("headers", {})

    answer = await api.client.post("/resources/models", headers=headers, **request_parts)

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_part_that_a_fleet_fetches_is_read_once(api: Any) -> None:
    """What never changes needs neither ledger nor disk again; other names do."""
    await api.upload("models", "a", b"x")
    first = await api.fetch("models", "a")
    api.services.resources.readings = api.services.resources.files = None

    assert [(await api.fetch("models", "a")).content for _ in range(3)] == [first.content] * 3
    assert (await api.fetch("models", "b")).status_code == 500


async def test_what_is_kept_at_hand_is_bounded(api: Any) -> None:
    """Many resources, and large ones, do not pile up in memory."""
    await api.upload("models", "large", bytes(70_000))
    await api.fetch("models", "large")
    assert not api.services.resources._at_hand
    for number in range(140):
        await api.upload("models", f"{number}", b"x")
        await api.fetch("models", f"{number}")

    assert len(api.services.resources._at_hand) == 128


async def test_lost_bytes_are_an_error_not_an_answer(api: Any) -> None:
    """A file that rotted on the disk is never handed out; the answer says nothing of paths."""
    await api.upload("models", "a", b"good")
    stored = next(f for f in (api.folder / "resources").rglob("*") if f.is_file())
    stored.chmod(0o600)
    stored.write_bytes(b"evil")

    answer = await api.fetch("models", "a")

    assert answer.status_code == 500
    assert answer.json()["code"] == "blob_corrupt"
    assert str(api.folder) not in answer.text


async def test_an_unexpected_error_shows_nothing_of_our_insides(api: Any) -> None:
    """A bug is a 500 problem without message or trace."""
    api.services.resources.files = None

    answer = await api.upload("models", "a", b"x")

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "NoneType" not in answer.text


@pytest.mark.parametrize(
    "form",
    [
        b"--b\r\n" + b"a: b\r\n" * 10_000 + b"\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="data"; filename="'
        + b"x" * 50_000
        + b'"\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\nx\r\n' * 1000
        + b"--b--\r\n",
        b"\r\n" * 40_000,
    ],
)
async def test_a_form_that_is_made_to_cost_is_refused(api: Any, form: bytes) -> None:
    """Thousands of parts, of headers, and of nothing at all end at the first that is too many."""
    headers = api.bearer(Role.SERVICE) | {"content-type": "multipart/form-data; boundary=b"}

    answer = await api.client.post("/resources/models", content=form, headers=headers)

    assert answer.status_code in (400, 422)


async def test_other_methods_and_paths_are_problems_too(api: Any) -> None:
    """Every error has the same form."""
    for method, path, status in (
        ("GET", "/resources/x", 405),
        ("GET", "/nothing", 404),
        ("PUT", "/login", 405),
    ):
        answer = await api.client.request(method, path)

        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"


async def test_other_sites_are_not_let_in(api: Any) -> None:
    """No answer allows a foreign origin."""
    answer = await api.client.get("/livez", headers={"Origin": "https://example.org"})

    assert not [h for h in answer.headers if h.startswith("access-control")]
