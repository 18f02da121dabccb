"""The API: log in with the service's account, store and fetch small halves."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from azaion_common.core.errors import PermanentError, TransientError
from azaion_publisher import metrics
from azaion_publisher.retrying import WORTH_RETRYING, RetryBudget

_UNAUTHORIZED = 401
_NOT_FOUND = 404
_CONFLICT = 409
_MAX_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes


@dataclass
class ApiSmallParts:
    """``SmallParts`` on the API. Every call here is idempotent, so each may be repeated."""

    http: httpx.AsyncClient
    folder: str
    credentials: Path
    deadline_s: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    _token: str | None = field(default=None, repr=False)

    async def put(self, name: str, data: bytes) -> str:
        answer = await self._authorised(f"/resources/{self.folder}", files={"data": (name, data)})
        if answer.status == _CONFLICT:
            raise PermanentError("upload_conflict", f"the API holds other bytes under {self.folder}/{name}")
        _require_success(answer, "upload_refused")
        return f"{self.folder}/{name}"

    async def get(self, name: str, *, max_bytes: int) -> bytes:
        answer = await self._authorised(
            f"/resources/get/{self.folder}", max_bytes=max_bytes, json={"fileName": name}
        )
        if answer.status == _NOT_FOUND:
            raise PermanentError("part_missing", f"the API does not hold {self.folder}/{name}")
        _require_success(answer, "download_refused")
        return answer.body

    async def _authorised(self, path: str, *, max_bytes: int = _MAX_ANSWER_BYTES, **body: Any) -> _Answer:
        """Call with our token; one that is refused is replaced once."""
        for _ in range(2):
            token = self._token or await self._log_in()
            headers = {"Authorization": f"Bearer {token}"}
            answer = await self._insist(path, headers=headers, max_bytes=max_bytes, **body)
            if answer.status != _UNAUTHORIZED:
                return answer
            self._token = None
        raise PermanentError("auth_denied", "the API refuses the token that it has just given out")

    async def _log_in(self) -> str:
        known = await asyncio.to_thread(read_credentials, self.credentials)
        answer = await self._insist("/login", headers={}, max_bytes=_MAX_ANSWER_BYTES, json=known)
        if answer.status == _UNAUTHORIZED:
            raise PermanentError(
                "auth_denied",
                f"the API refuses the account {known['email']}: wrong e-mail address or password",
                hint=f"{self.credentials} must hold an account of this API",
            )
        _require_success(answer, "login_refused")
        self._token = _token(answer)
        return self._token

    async def _insist(self, path: str, *, headers: Mapping[str, str], max_bytes: int, **body: Any) -> _Answer:
        """Call until there is an answer that another try would not change, but not beyond the deadline."""
        try:
            async with asyncio.timeout(self.deadline_s):
                return await self._retry(path, headers, max_bytes, body)
        except TimeoutError as error:
            raise _unavailable(
                f"{self.http.base_url}{path}", f"no answer in {self.deadline_s:g} s"
            ) from error

    async def _retry(
        self, path: str, headers: Mapping[str, str], max_bytes: int, body: Mapping[str, Any]
    ) -> _Answer:
        budget = RetryBudget(self.clock(), self.deadline_s)
        while True:
            retry_after = None
            try:
                answer = await self._call(path, headers, max_bytes, body)
                if answer.status not in WORTH_RETRYING:
                    return answer
                reason, retry_after = f"status {answer.status}", answer.headers.get("retry-after")
            except httpx.RequestError as error:
                reason = type(error).__name__
            pause_s = budget.pause_s(self.clock(), retry_after)
            if pause_s is None:
                raise _unavailable(f"{self.http.base_url}{path}", reason)
            metrics.API_RETRIES.labels(reason).inc()
            await self.sleep(pause_s)

    async def _call(
        self, path: str, headers: Mapping[str, str], max_bytes: int, body: Mapping[str, Any]
    ) -> _Answer:
        async with self.http.stream("POST", path, headers=dict(headers), **body) as response:
            limit = max_bytes if response.is_success else _MAX_ANSWER_BYTES
            content = b""
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > limit:
                    raise PermanentError("part_too_long", f"{path}: the answer is longer than {limit} bytes")
            return _Answer(response.status_code, response.headers, content)


def read_credentials(path: Path) -> dict[str, str]:
    """E-mail address and password in a JSON file.

    Raises:
        TransientError: ``credentials_missing``: the API makes the file when it starts for the first time.
        PermanentError: ``credentials_invalid``.
    """
    try:
        fields = json.loads(path.read_text())
        return {"email": str(fields["email"]), "password": str(fields["password"])}
    except FileNotFoundError as error:
        raise TransientError("credentials_missing", f"there are no credentials in {path} yet") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PermanentError("credentials_invalid", f"{path} does not hold credentials") from error


def _unavailable(url: str, reason: str) -> TransientError:
    return TransientError("api_unavailable", f"{url}: {reason}")


def _require_success(answer: _Answer, code: str) -> None:
    if not httpx.codes.is_success(answer.status):
        raise PermanentError(code, f"the API answers {answer.status} {_problem(answer)}".rstrip())


def _problem(answer: _Answer) -> str:
    """The code and detail of a problem (RFC 9457), as far as the answer is one."""
    try:
        problem = json.loads(answer.body)
        return f"{problem['code']}: {problem['detail']}"[:500]
    except (ValueError, KeyError, TypeError):
        return ""


def _token(answer: _Answer) -> str:
    try:
        return str(json.loads(answer.body)["token"])
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError("login_refused", "the API's answer to a login holds no token") from error
