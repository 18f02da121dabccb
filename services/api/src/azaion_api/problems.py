"""Refusals as RFC 9457 ``application/problem+json``: a stable code and one line, nothing of our insides."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from azaion_common.core.errors import AzaionError, PermanentError, TransientError

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 10
_STATUS = {
    "auth_denied": HTTPStatus.UNAUTHORIZED,
    "token_invalid": HTTPStatus.UNAUTHORIZED,
    "resource_missing": HTTPStatus.NOT_FOUND,
    "resource_exists": HTTPStatus.CONFLICT,
    "unsafe_name": HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""Errors that are the caller's. Every other one is ours, and its message may hold what is none of the caller's business."""
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}", re.ASCII)
_log = structlog.get_logger()


class FieldError(BaseModel):
    """One field of the request that does not fit."""

    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457: what is wrong; ``code`` is stable, ``detail`` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldError] = []
    """At most ten."""


class Refused(HTTPException):
    """A request is answered with ``status``; ``code`` is stable, ``detail`` is for people."""

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` as a problem."""
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(AzaionError, _on_failure)
    app.add_exception_handler(Exception, _on_bug)


def problem(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: object
) -> JSONResponse:
    body = {
        "type": f"urn:azaion:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    code = error.code if isinstance(error, Refused) else HTTPStatus(error.status_code).name.lower()
    return problem(error.status_code, code, error.detail, error.headers)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    # Where and what, but never the input itself: it may be a password.
    fields = [{"field": _place(e["loc"]), "message": e["msg"]} for e in error.errors()[:MAX_ERRORS]]
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "request_invalid",
        "the request does not fit its schema",
        errors=fields,
    )


def _place(location: Sequence[str | int]) -> str:
    """Where a field is; a name that is the sender's invention is shown only where it is harmless."""
    return ".".join(str(part) if _PLAIN_NAME.fullmatch(str(part)) else "?" for part in location)


async def _on_failure(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AzaionError)  # noqa: S101 - registered for this class only
    if error.code in _STATUS and isinstance(error, PermanentError):
        status = _STATUS[error.code]
        challenge = {"WWW-Authenticate": "Bearer"} if error.code == "token_invalid" else None
        return problem(status, error.code, error.message, challenge)
    _log.error("request failed", path=request.url.path, code=error.code, error=error.message)
    if isinstance(error, TransientError):
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, error.code, "try again later", {"Retry-After": "5"})
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, error.code, "the server could not answer")


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the server could not answer")
