"""Refusals as RFC 9457 ``application/problem+json``: a stable code and one line, nothing of our insides."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from azaion_common.errors import AzaionError, TransientError

_log = structlog.get_logger()


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
    return JSONResponse(body, status, headers, media_type="application/problem+json")


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    code = error.code if isinstance(error, Refused) else HTTPStatus(error.status_code).name.lower()
    return problem(error.status_code, code, error.detail, error.headers)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    # Where and what, but never the input itself: it may be a password.
    fields = [{"field": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "request_invalid",
        "the request does not fit its schema",
        errors=fields,
    )


async def _on_failure(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AzaionError)  # noqa: S101 - registered for this class only
    _log.error("request failed", path=request.url.path, code=error.code, error=error.message)
    if isinstance(error, TransientError):
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, error.code, "try again later", {"Retry-After": "5"})
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, error.code, "the server could not answer")


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the server could not answer")
