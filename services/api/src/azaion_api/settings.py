"""Everything configurable about the API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from azaion_api.tokens import MAX_LIFETIME_S
from azaion_common.platform.runtime.http_connections import Network
from azaion_common.platform.runtime.settings import ServiceSettings


def _listed(value: object) -> object:
    """A list as YAML or JSON has it, or text with commas, as one writes it into a variable."""
    return (
        [part.strip() for part in value.strip("[]").replace('"', "").split(",") if part.strip()]
        if isinstance(value, str)
        else value
    )


class ApiSettings(ServiceSettings):
    """Section ``api:`` of ``azaion.yaml``, or ``AZAION_API__…`` in the environment."""

    model_config = SettingsConfigDict(env_prefix="AZAION_API__")

    host: str = "127.0.0.1"
    """Loopback unless told otherwise: put a proxy with TLS in front before opening it to a network."""
    port: int | None = Field(default=None, ge=0, le=65535)
    """None: the port of ``platform.api_url``, by which the other services find the API."""
    tls_certificate: Path | None = None
    """Certificate chain (PEM): the API then speaks https alone. None: plain HTTP, for loopback or behind a proxy."""
    tls_key: Path | None = None
    """Private key (PEM) of ``tls_certificate``."""
    docs: bool = True
    """Serve ``/docs`` and ``/openapi.json``."""
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_listed)] = ()
    """Addresses and networks of the proxies in front (``10.0.0.5, 172.16.0.0/12``). What they say of their clients'
    addresses (``X-Forwarded-For``, ``Forwarded``) is believed, and counts for limits on logins; of nobody else."""
    max_connections: int = Field(default=512, ge=16, le=65536)
    """Connections at once. Beyond it, the oldest of those that keep the API waiting makes room. The process needs about as
    many file descriptors (``ulimit -n``), and 256 more."""
    max_connections_per_client: int = Field(default=256, ge=8, le=65536)
    """The same for one address (IPv6: one /64); trusted proxies are exempt."""
    token_lifetime_s: int = Field(default=600, ge=10, le=MAX_LIFETIME_S)
    """Seconds for which a token is good."""
    max_upload_bytes: int = Field(default=16 << 20, ge=1024)
    """The longest resource. Every other body ends at 16 KiB."""
    login_attempts: int = Field(default=5, ge=1)
    """Different wrong passwords for an account from one address within ``login_window_s`` before 429, and how often the
    same one is looked at; four times that for an address at all accounts together, twenty times for an account from all
    addresses that it was never logged in to from."""
    login_window_s: float = Field(default=60, gt=0)
    """Seconds for which a wrong password counts."""
