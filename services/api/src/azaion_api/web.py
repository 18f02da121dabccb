"""The ASGI application."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI

from azaion_api import description, problems, routes
from azaion_api.client_addresses import TrueClient
from azaion_api.middleware import SafeHeaders
from azaion_common.platform.runtime.http_connections import Network


def create_app(services: routes.Services, *, docs: bool, trusted_proxies: Sequence[Network] = ()) -> FastAPI:
    """All routes around ``services``; without ``docs`` there is neither ``/docs`` nor ``/openapi.json``."""
    app = FastAPI(
        title="Azaion",
        summary="Log in, store and fetch resources",
        docs_url=None,  # FastAPI's own pages load their scripts from other hosts, and make the description anew each time
        redoc_url=None,
        openapi_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.services = services
    app.include_router(routes.router)
    if docs:
        description.install(app)
    problems.install(app)
    app.add_middleware(SafeHeaders)
    app.add_middleware(TrueClient, trusted=trusted_proxies)
    return app
