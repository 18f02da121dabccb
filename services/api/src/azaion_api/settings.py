"""Everything configurable about the API."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from azaion_common.runtime.settings import ServiceSettings


class ApiSettings(ServiceSettings):
    """Section ``api:`` of ``azaion.yaml``, or ``AZAION_API__…`` in the environment."""

    model_config = SettingsConfigDict(env_prefix="AZAION_API__")

    host: str = "127.0.0.1"
    """Loopback unless told otherwise: put a proxy with TLS in front before opening it to a network."""
    port: int | None = Field(default=None, ge=0, le=65535)
    """None: the port of ``platform.api_url``, by which the other services find the API."""
    docs: bool = True
    """Serve ``/docs`` and ``/openapi.json``."""
    token_lifetime_s: int = Field(default=600, ge=10, le=3600)
    max_upload_bytes: int = Field(default=16 << 20, ge=1024)
    login_attempts: int = Field(default=5, ge=1)
    """Failed logins per account and address within ``login_window_s`` before 429; four times that per address."""
    login_window_s: float = Field(default=60, gt=0)
