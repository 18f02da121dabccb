"""A published model: the small part from the API, the big one from the blob store, joined and opened in memory.

Nothing is decrypted before lengths and hashes of both parts are those of the release; nothing is handed over before
the package's own checks have passed. The big part is kept as ``<sha256>.part`` while it arrives, so that a fetch
which breaks off goes on where it stopped, and under its hash afterwards; it is useless without the small part.
"""

from __future__ import annotations

import asyncio
import fcntl
import io
import json
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from pydantic import SecretStr

from azaion_common.core.backoff import Backoff
from azaion_common.core.durable import fsync_folder, make_folder, storage_errors
from azaion_common.core.errors import AzaionError, PermanentError, SetupError, TransientError
from azaion_common.packages import (
    KeyWrapper,
    PackageHeader,
    PartFacts,
    SplitFacts,
    check_part,
    joined_parts,
    open_package,
    unwrap_for,
    wipe,
)
from azaion_common.platform.storage import BlobStore
from azaion_inferencer.ports import Fetched, ReleasedModel

if TYPE_CHECKING:
    import httpx

_ATTEMPTS = 5
_FIRST_WAIT_S, _LOOK_AGAIN_S = 0.5, 0.1
_MAX_PROBLEM_BYTES = 1 << 16
_DAMAGED = frozenset({"blob_corrupt", "blob_missing"})


@dataclass(frozen=True)
class Account:
    """Who fetches: an account of the API."""

    email: str
    password: SecretStr


@dataclass(frozen=True)
class ReleaseDownload:
    """Fetches releases. ``open_api`` gives a client with the API's base URL; ``cache`` is a folder for big parts.

    API, account, store and wrapper are only asked for when something is to be fetched or opened: a device that has what it
    needs starts without them. ``own_small`` gives a small part by its SHA-256 where the API's files are at hand, for
    when the API is not.
    """

    open_api: Callable[[], AbstractAsyncContextManager[httpx.AsyncClient]]
    account: Callable[[], Account]
    open_store: Callable[[], AbstractAsyncContextManager[BlobStore]]
    wrapper: Callable[[], KeyWrapper]
    cache: Path
    own_small: Callable[[str], bytes | None] = lambda _sha256: None
    first_wait_s: float = _FIRST_WAIT_S

    async def fetch(self, released: ReleasedModel) -> Fetched:
        """The verified model, and its small part.

        Raises:
            PermanentError: ``resource_missing``, ``resource_damaged``, ``blob_missing``, ``package_parts_mismatch``,
                ``release_mismatch``, and what opening a package raises.
            SetupError: ``login_refused``, ``account_missing``, ``account_invalid``.
            TransientError: ``api_unavailable``, ``store_unavailable``, ``disk_full``.
        """
        small = await self._small(released)
        big = await self._big(PartFacts(released.big.size_bytes, released.big.sha256))
        return Fetched(await asyncio.to_thread(self.open, released, small, big), small)

    def open_kept(self, released: ReleasedModel, small: bytes) -> bytes:
        """The verified model from a small part that was kept, and the big one in the cache. Blocks; asks nobody.

        Raises:
            PermanentError: ``part_missing``, and as ``fetch``.
        """
        big = self.cache / released.big.sha256
        if not big.exists():
            raise PermanentError(
                "part_missing", f"the big part of release {released.release} is not here any more"
            )
        return self.open(released, small, big)

    async def _small(self, released: ReleasedModel) -> bytes:
        try:
            return await self._small_of_api(released, await self._token())
        except (TransientError, SetupError):
            own = await asyncio.to_thread(self.own_small, released.small.sha256)
            if own is None:
                raise
            return own

    async def _token(self) -> str:
        known = await asyncio.to_thread(self.account)
        account = {"email": known.email, "password": known.password.get_secret_value()}
        answer = await self._post("/login", account, limit_bytes=1 << 16)
        try:
            return str(json.loads(answer)["token"])
        except (ValueError, KeyError, TypeError) as error:
            raise PermanentError("api_unusable", "the API's answer to the login holds no token") from error

    async def _small_of_api(self, released: ReleasedModel, token: str) -> bytes:
        folder, _, name = released.small.location.partition("/")
        limit_bytes = released.small.size_bytes
        return await self._post(
            f"/resources/get/{folder}", {"fileName": name}, token=token, limit_bytes=limit_bytes
        )

    async def _post(
        self, path: str, body: dict[str, str], *, limit_bytes: int, token: str | None = None
    ) -> bytes:
        import httpx  # noqa: PLC0415 - a start from the cache does without it

        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with (
                self.open_api() as client,
                client.stream("POST", path, json=body, headers=headers) as answer,
            ):
                if answer.is_error:
                    _refuse(answer.status_code, await _problem_code(answer, path), path)
                return await _limited(answer, limit_bytes, path)
        except httpx.HTTPError as error:
            raise TransientError(
                "api_unavailable", f"the API does not answer ({type(error).__name__})"
            ) from error

    async def _big(self, part: PartFacts) -> Path:
        pauses = Backoff(self.first_wait_s)
        for attempt in range(_ATTEMPTS):
            try:
                return await self._complete(part)
            except TransientError:
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(pauses.next())
        raise AssertionError("unreachable")

    async def _complete(self, part: PartFacts) -> Path:
        """One of several programs with this cache fetches the part; the others find it afterwards."""
        complete = self.cache / part.sha256
        unfinished = complete.with_name(f"{part.sha256}.part")
        with storage_errors(unfinished):
            make_folder(self.cache)
            while not (complete.exists() and await asyncio.to_thread(_is, complete, part)):
                with unfinished.open("ab") as file:
                    await _lock(file)
                    if _is_at(file, unfinished):  # else another has completed or removed it meanwhile
                        await self._finish(file, unfinished, complete, part)
        return complete

    async def _finish(self, file: BinaryIO, unfinished: Path, complete: Path, part: PartFacts) -> None:
        """Go on where ``.part`` ends. If that turns out wrong it is removed, and only a part fetched in one go is to blame."""
        resumed_at = file.tell()
        try:
            await self._append(file, part)
            await asyncio.to_thread(_check, unfinished, part)
        except PermanentError:
            await asyncio.to_thread(unfinished.unlink)
            if not resumed_at:
                raise
        else:
            await asyncio.to_thread(_place, unfinished, complete)

    async def _append(self, file: BinaryIO, part: PartFacts) -> None:
        if file.tell() < part.size_bytes:
            async with self.open_store() as store:
                async for chunk in store.read(part.sha256, offset=file.tell()):
                    if file.tell() + len(chunk) > part.size_bytes:
                        raise _mismatch(f"the big part is longer than {part.size_bytes} bytes")
                    await asyncio.to_thread(file.write, chunk)
        file.flush()

    def open(self, released: ReleasedModel, small: bytes, big: Path) -> bytes:
        """Join, check and decrypt both parts, in memory. Blocks.

        Raises:
            PermanentError: ``package_parts_mismatch``, ``release_mismatch``, and what opening a package raises.
            SetupError: ``fleet_key_missing``.
        """
        expected = SplitFacts(
            PartFacts(released.small.size_bytes, released.small.sha256),
            PartFacts(released.big.size_bytes, released.big.sha256),
            released.package_sha256,
        )
        with joined_parts(io.BytesIO(small), big, expected=expected) as package:
            key = unwrap_for(io.BytesIO(small), self.wrapper(), released.wrapped_key)
            try:
                with open_package(package, key) as opened:
                    _check_header(opened.header, released)
                    return opened.plaintext.read()
            finally:
                wipe(key)


async def _lock(file: BinaryIO) -> None:
    """Wait until no other program appends to ``file``."""
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(_LOOK_AGAIN_S)
        else:
            file.seek(0, os.SEEK_END)  # another may have appended meanwhile
            return


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


async def _limited(answer: httpx.Response, limit_bytes: int, path: str) -> bytes:
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > limit_bytes:
            raise _mismatch(f"the API's answer to {path} is longer than {limit_bytes} bytes")
    return bytes(content)


async def _problem_code(answer: httpx.Response, path: str) -> str:
    """The code of a problem document; empty when the answer is none."""
    try:
        return str(json.loads(await _limited(answer, _MAX_PROBLEM_BYTES, path))["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _refuse(status: int, code: str, path: str) -> NoReturn:
    if code in _DAMAGED:
        raise PermanentError(
            "resource_damaged", f"the API's copy of {path} is damaged", hint="publish the model again"
        )
    if status == HTTPStatus.UNAUTHORIZED:
        raise SetupError("login_refused", "the API refuses this account", hint="check e-mail and password")
    if status == HTTPStatus.NOT_FOUND:
        raise PermanentError("resource_missing", f"the API has no such file ({path})")
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TransientError("api_unavailable", f"the API answers {status} to {path}")
    raise PermanentError("api_refused", f"the API answers {status} to {path}")


def _check(path: Path, part: PartFacts) -> None:
    with storage_errors(path), path.open("rb") as file:
        check_part(file, part)


def _place(unfinished: Path, complete: Path) -> None:
    with storage_errors(complete):
        unfinished.replace(complete)
        fsync_folder(complete.parent)


def _is(path: Path, part: PartFacts) -> bool:
    try:
        _check(path, part)
    except AzaionError:
        return False
    return True


def _check_header(header: PackageHeader, released: ReleasedModel) -> None:
    """The package has to be the one that the release speaks of, not only an intact one."""
    said = (released.package_id, released.header_sha256, released.plaintext_sha256)
    if (header.package_id.hex(), header.sha256.hex(), header.plaintext_sha256) != said:
        raise PermanentError("release_mismatch", f"the package is not the one of release {released.release}")


def _mismatch(problem: str) -> PermanentError:
    return PermanentError(
        "package_parts_mismatch", problem, hint="fetch both parts of the same release again"
    )
