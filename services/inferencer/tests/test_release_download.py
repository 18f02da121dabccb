"""Fetching a release: both parts are checked before anything is decrypted, and a broken download goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import httpx
import pytest
from pydantic import SecretStr

from azaion_common.contracts.events.models import ModelPublished, PackagePart
from azaion_common.core.errors import AzaionError, PermanentError, TransientError
from azaion_common.packages import (
    FleetKeyWrapper,
    PackageMeta,
    new_content_key,
    seal_package,
    split_package,
    wrap_context,
)
from azaion_common.platform.storage import BlobStore
from azaion_inferencer.adapters.release_download import Account, ReleaseDownload

MODEL = bytes(range(256)) * 40
WRAPPER = FleetKeyWrapper(b"k" * 32)


@dataclass
class FakeStore:
    """A blob store whose connection breaks after ``breaks_after`` bytes, as often as it is told to."""

    blobs: dict[str, bytes]
    breaks: int = 0
    breaks_after: int = 1000
    offsets: list[int] = field(default_factory=list)
    pause_s: float = 0.0

    async def read(self, sha256: str, *, offset: int = 0, chunk_bytes: int = 256) -> AsyncIterator[bytes]:
        self.offsets.append(offset)
        content, given = self.blobs[sha256][offset:], 0
        for start in range(0, len(content), 256):
            if self.breaks and given >= self.breaks_after:
                self.breaks -= 1
                raise TransientError("store_unavailable", "broken on purpose")
            given += 256
            await asyncio.sleep(self.pause_s)
            yield content[start : start + 256]


@dataclass
class World:
    """A release, and the API and store that serve it."""

    released: ModelPublished
    small: bytes
    store: FakeStore
    cache: Path
    password: str = "right"
    requests: list[str] = field(default_factory=list)
    own: dict[str, bytes] = field(default_factory=dict)

    def api(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request.url.path)
        body = json.loads(request.content)
        if request.url.path == "/login":
            return httpx.Response(200 if body["password"] == "right" else 401, json={"token": "T"})
        if request.headers.get("authorization") != "Bearer T":
            return httpx.Response(401)
        known = request.url.path == "/resources/get/models" and body == {"fileName": "m.small"}
        return httpx.Response(200, content=self.small) if known else httpx.Response(404)

    async def fetch(self, answer: Callable[[httpx.Request], httpx.Response] | None = None) -> bytes:
        def client() -> httpx.AsyncClient:
            transport = httpx.MockTransport(answer or self.api)
            return httpx.AsyncClient(transport=transport, base_url="http://api")

        account, store = Account("edge@example.org", SecretStr(self.password)), self.store
        download = ReleaseDownload(
            client,
            lambda: account,
            lambda: nullcontext(cast("BlobStore", store)),
            lambda: WRAPPER,
            self.cache,
            self.own.get,
            0.001,
        )
        fetched = await download.fetch(self.released)
        assert fetched.small == self.small or self.own
        return fetched.content


@pytest.fixture
def world(tmp_path: Path) -> World:
    key = new_content_key()
    model, package = tmp_path / "model.onnx", tmp_path / "m.azpkg"
    model.write_bytes(MODEL)
    header = seal_package(model, package, meta=PackageMeta("1", "default", "onnx", ()), cek=key)
    facts = split_package(package, tmp_path / "m.small", tmp_path / "m.big")
    small, big = (tmp_path / "m.small").read_bytes(), (tmp_path / "m.big").read_bytes()
    released = ModelPublished(
        model_id="a" * 16,
        target="onnx",
        release=1,
        imgsz=640,
        batch=1,
        class_names=("car",),
        class_colours=("#ff0000",),
        package_id=header.package_id.hex(),
        package_sha256=facts.package_sha256,
        package_size_bytes=len(small) + len(big),
        plaintext_sha256=header.plaintext_sha256,
        header_sha256=header.sha256.hex(),
        wrapped_key=WRAPPER.wrap(key, wrap_context(header)),
        small=PackagePart(sha256=facts.small.sha256, size_bytes=len(small), location="models/m.small"),
        big=PackagePart(sha256=facts.big.sha256, size_bytes=len(big), location=facts.big.sha256),
    )
    return World(released, small, FakeStore({facts.big.sha256: big}), tmp_path / "cache")


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


async def test_a_release_arrives_as_it_was_sealed(world: World) -> None:
    """Log in, small from the API, big from the store: the model's own bytes come out, and no plaintext file."""
    assert await world.fetch() == MODEL

    assert world.requests == ["/login", "/resources/get/models"]
    assert MODEL[:64] not in b"".join(path.read_bytes() for path in world.cache.iterdir())


async def test_a_broken_download_goes_on_where_it_stopped(world: World) -> None:
    """Two interruptions cost no byte twice."""
    world.store.breaks = 2

    assert await world.fetch() == MODEL
    assert world.store.offsets == [0, 1024, 2048]


async def test_a_new_process_goes_on_where_the_old_one_stopped(world: World) -> None:
    """What an earlier process left as .part is continued; what it completed is not fetched again."""
    sha256 = world.released.big.sha256
    world.cache.mkdir()
    (world.cache / f"{sha256}.part").write_bytes(world.store.blobs[sha256][:700])

    assert await world.fetch() == MODEL
    assert await world.fetch() == MODEL
    assert world.store.offsets == [700]


async def test_programs_with_one_cache_do_not_append_to_each_others_part(world: World) -> None:
    """The service and a command that start at the same moment both get the release, which is fetched once."""
    world.store.pause_s = 0.001

    assert await asyncio.gather(*(world.fetch() for _ in range(3))) == [MODEL] * 3
    assert world.store.offsets == [0]


async def test_a_wrong_beginning_is_fetched_anew(world: World) -> None:
    """A ``.part`` that an earlier program left damaged, or too long, costs a download, not the release."""
    big = world.store.blobs[world.released.big.sha256]
    for left in (flipped(big[:700], 3), big + b"more"):
        world.cache.mkdir(exist_ok=True)
        (world.cache / f"{world.released.big.sha256}.part").write_bytes(left)

        assert await world.fetch() == MODEL
        (world.cache / world.released.big.sha256).unlink()
    assert world.store.offsets == [700, 0, 0]


async def test_a_store_that_stays_away_is_a_transient_error(world: World) -> None:
    """After a few attempts the error is passed on; what arrived is kept for the next time."""
    world.store.breaks, world.store.breaks_after = 100, 256

    with pytest.raises(TransientError):
        await world.fetch()

    assert [path.suffix for path in world.cache.iterdir()] == [".part"]


@pytest.mark.parametrize("at", [0, 60, 500, -1])
async def test_one_flipped_byte_in_the_small_part_is_refused(at: int, world: World) -> None:
    """No byte of the small part can be changed."""
    world.small = flipped(world.small, at % len(world.small))

    with pytest.raises(PermanentError) as refused:
        await world.fetch()

    assert refused.value.code == "package_parts_mismatch"


@pytest.mark.parametrize("at", [0, 5000, -1])
async def test_one_flipped_byte_in_the_big_part_is_refused_and_not_kept(at: int, world: World) -> None:
    """No byte of the big part can be changed, and a wrong download does not poison the next one."""
    sha256 = world.released.big.sha256
    good = world.store.blobs[sha256]
    world.store.blobs[sha256] = flipped(good, at % len(good))

    with pytest.raises(PermanentError) as refused:
        await world.fetch()

    assert refused.value.code == "package_parts_mismatch"
    assert not list(world.cache.iterdir())
    world.store.blobs[sha256] = good
    assert await world.fetch() == MODEL


@pytest.mark.parametrize("suffix", ["", ".part"])
async def test_a_folder_in_the_place_of_a_file_is_named(suffix: str, world: World) -> None:
    """What has to be taken away is the folder that the error names, not the file beside it."""
    in_the_way = world.cache / f"{world.released.big.sha256}{suffix}"
    in_the_way.mkdir(parents=True)

    with pytest.raises(PermanentError, match="not_a_file") as refused:
        await world.fetch()

    assert refused.value.message == f"{in_the_way} is a folder"


@pytest.mark.parametrize("part", ["small", "big"])
async def test_parts_that_are_longer_than_announced_are_cut_off(part: str, world: World) -> None:
    """A server cannot make the device read more than the release says."""
    sha256 = world.released.big.sha256
    if part == "small":
        world.small += b"x"
    else:
        world.store.blobs[sha256] += b"x"

    with pytest.raises(PermanentError, match="longer than"):
        await world.fetch()


async def test_an_intact_package_of_another_release_is_refused(world: World) -> None:
    """Header hash, package id and plaintext hash have to be those that were announced."""
    world.released = world.released.model_copy(update={"plaintext_sha256": "0" * 64})

    with pytest.raises(PermanentError) as refused:
        await world.fetch()

    assert refused.value.code == "release_mismatch"


async def test_a_wrong_password_is_a_permanent_error(world: World) -> None:
    """The API's refusal is named, and the password is not in it."""
    world = replace(world, password="wrong-password")

    with pytest.raises(PermanentError) as refused:
        await world.fetch()

    assert refused.value.code == "login_refused"
    assert "wrong-password" not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (404, PermanentError, "resource_missing"),
        (422, PermanentError, "api_refused"),
        (429, TransientError, "api_unavailable"),
        (503, TransientError, "api_unavailable"),
    ],
)
async def test_answers_of_the_api_become_typed_errors(
    status: int, kind: type[AzaionError], code: str, world: World
) -> None:
    """Whether trying again can help is decided by the status."""
    with pytest.raises(kind) as refused:
        await world.fetch(lambda request: httpx.Response(status))

    assert refused.value.code == code


async def test_a_copy_that_the_api_knows_to_be_damaged_is_a_permanent_error(world: World) -> None:
    """Trying again would bring the same damage: the problem's code decides, not the status alone."""
    with pytest.raises(PermanentError) as refused:
        await world.fetch(lambda request: httpx.Response(500, json={"code": "blob_corrupt"}))

    assert refused.value.code == "resource_damaged"


async def test_an_api_that_does_not_answer_is_a_transient_error(world: World) -> None:
    """A broken connection is no reason to give up for good."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(TransientError):
        await world.fetch(fail)


async def test_an_api_on_this_home_that_is_stopped_is_not_needed(world: World) -> None:
    """Its files are at hand: the small part is taken from them, and checked like any other."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    world.own = {world.released.small.sha256: world.small}
    assert await world.fetch(fail) == MODEL

    world.own = {world.released.small.sha256: flipped(world.small, 60)}
    with pytest.raises(PermanentError) as refused:
        await world.fetch(fail)
    assert refused.value.code == "package_parts_mismatch"


async def test_an_answer_without_a_token_is_refused(world: World) -> None:
    """Something else at the API's address is told apart from a wrong password."""
    with pytest.raises(PermanentError) as refused:
        await world.fetch(lambda request: httpx.Response(200, text="<html>"))

    assert refused.value.code == "api_unusable"
