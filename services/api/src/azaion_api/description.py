"""The API described: OpenAPI with every answer that there is, and a page of it that needs no script."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from html import escape
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from azaion_api.problems import MEDIA_TYPE, Problem

OCTETS = "application/octet-stream"
BYTES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes, with their SHA-256 in `ETag` and `Repr-Digest`",
        "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_OPEN = ("/livez", "/health", "/login")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff }
h2 { margin-top: 2rem; font-size: 1.1rem } code, pre { font-family: ui-monospace, monospace; font-size: 13px }
pre { background: #f4f5f7; padding: .75rem; overflow-x: auto } td, th { text-align: left; padding: .15rem 1rem .15rem 0 }
"""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route."""
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """The body of a route that reads it by itself."""
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": model.model_json_schema()}},
        }
    }


def file_body(field: str) -> dict[str, Any]:
    """One file in a form."""
    schema = {
        "type": "object",
        "required": [field],
        "additionalProperties": False,
        "properties": {field: {"type": "string", "format": "binary"}},
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def install(app: FastAPI) -> None:
    """Serve ``/docs``, and ``/openapi.json`` with what FastAPI cannot know. To be called when all routes are there."""
    described = _describe(app)
    page = _page(described).encode()
    text = json.dumps(described).encode()
    for path, content, media_type in (
        ("/openapi.json", text, "application/json"),
        ("/docs", page, "text/html"),
        ("/docs/style.css", _STYLE.encode(), "text/css"),
    ):
        app.router.add_route(path, _constant(content, media_type), include_in_schema=False)


def _constant(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    """Made once: whoever asks, however often, costs no more than its sending."""

    async def answer(_request: Request) -> Response:
        return Response(content, media_type=media_type)

    return answer


def _describe(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    components = found.setdefault("components", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = components.setdefault("schemas", {})
    schemas |= {Problem.__name__: problem, **problem.pop("$defs", {})}
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From `/login`"}
    }
    for path, operations in found["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path in _OPEN else [{"token": []}]
    return found


def _page(described: dict[str, Any]) -> str:
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    )
    title = escape(described["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<link rel="stylesheet" href="docs/style.css"></head><body><h1>{title}</h1>'
        f'<p>For programs: <a href="openapi.json">openapi.json</a></p>{operations}</body></html>'
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    access = "Needs a token" if operation["security"] else "Open to all"
    content = operation.get("requestBody", {}).get("content", {})
    bodies = "".join(
        f"<p>Send <code>{escape(kind)}</code></p>{_fields(body)}" for kind, body in content.items()
    )
    answers = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(answer['description'])}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    heading = f"<code>{escape(method.upper())} {escape(path)}</code>"
    return f"<h2>{heading}</h2><p>{access}.</p>{bodies}<table>{answers}</table>"


def _fields(body: dict[str, Any]) -> str:
    properties = body["schema"].get("properties", {})
    lines = "\n".join(f"{name}: {form.get('format', form.get('type'))}" for name, form in properties.items())
    return f"<pre>{escape(lines)}</pre>"
