"""The ASGI application."""

from __future__ import annotations

from fastapi import FastAPI

from azaion_api import problems, routes
from azaion_api.middleware import MULTIPART_OVERHEAD_BYTES, BodyLimit, SafeHeaders


def create_app(services: routes.Services, *, max_upload_bytes: int, docs: bool) -> FastAPI:
    """All routes around ``services``; without ``docs`` there is neither ``/docs`` nor ``/openapi.json``."""
    app = FastAPI(
        title="Azaion",
        summary="Log in, store and fetch resources",
        docs_url="/docs" if docs else None,
        redoc_url=None,
        openapi_url="/openapi.json" if docs else None,
    )
    app.state.services = services
    app.include_router(routes.router)
    problems.install(app)
    app.add_middleware(BodyLimit, max_bytes=max_upload_bytes + MULTIPART_OVERHEAD_BYTES)
    app.add_middleware(SafeHeaders)
    return app
