"""The service: where everything concrete is put together."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import structlog

from azaion_api import tables
from azaion_api.accounts import Accounts
from azaion_api.resources import Resources
from azaion_api.routes import Services
from azaion_api.secret_files import create_once, credentials
from azaion_api.settings import ApiSettings
from azaion_api.throttle import Throttle
from azaion_api.tokens import Role, Signer, load_key, new_key_pem
from azaion_api.web import create_app
from azaion_common.platform.runtime.http_server import Limits, Tls, listen, serve
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.service import Service
from azaion_common.platform.storage.files import FileBlobStore

_HTTP_PORT = 80
_log = structlog.get_logger(__name__)


async def run(platform: Platform) -> None:
    settings = ApiSettings.load(platform.home, "api")
    secrets = platform.home / "secrets"
    port = settings.port if settings.port is not None else urlsplit(platform.api_url).port or _HTTP_PORT
    listener = listen(settings.host, port)
    async with (
        platform.open_ledger("api", tables.METADATA) as ledger,
        platform.open_readings("api") as readings,
    ):
        accounts = Accounts(ledger, readings)
        await first_accounts(accounts, secrets)
        services = Services(
            accounts=accounts,
            resources=Resources(ledger, readings, FileBlobStore.open(platform.home / "api" / "resources")),
            signer=Signer(
                load_key(create_once(secrets / "api-signing-key.pem", new_key_pem)), settings.token_lifetime_s
            ),
            throttle=Throttle(settings.login_window_s, settings.login_attempts),
            max_upload_bytes=settings.max_upload_bytes,
        )
        app = create_app(services, docs=settings.docs, trusted_proxies=settings.trusted_proxies)
        _log.info("api.listening", host=settings.host, port=listener.getsockname()[1])
        await serve(app, listener, platform.stopping, _limits(settings), _tls(settings))


def _limits(settings: ApiSettings) -> Limits:
    return Limits(
        connections=settings.max_connections,
        connections_per_client=settings.max_connections_per_client,
        trusted_proxies=settings.trusted_proxies,
    )


def _tls(settings: ApiSettings) -> Tls | None:
    return Tls(settings.tls_certificate, settings.tls_key) if settings.tls_certificate else None


async def first_accounts(accounts: Accounts, secrets: Path) -> None:
    """One account per role, with the password that its file says; the files are made on the first start."""
    for role in Role:
        path = secrets / f"{role}.json"
        is_new = not path.exists()
        known = credentials(path, f"{role}@azaion.local")
        await accounts.ensure(known.email, known.password, role)
        if is_new:
            _log.info("api.account_created", email=known.email, credentials=str(path))


SERVICE = Service("api", "REST API: log in, store and fetch resources", run)
