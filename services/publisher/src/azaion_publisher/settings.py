"""Everything configurable about the publisher."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from azaion_common.platform.runtime.settings import ServiceSettings


class PublisherSettings(ServiceSettings):
    """Section ``publisher`` of ``azaion.yaml``, or ``AZAION_PUBLISHER__…``."""

    model_config = SettingsConfigDict(env_prefix="AZAION_PUBLISHER__")

    automatic: bool = True
    """Publish every export of a freshly trained champion; otherwise only what ``azaion publish`` asks for."""
    folder: str = Field(default="models", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    """Folder of the API that takes the small halves."""
    credentials: Path = Path("secrets/service.json")
    """Account of the API; relative paths start at the home."""
    signing_key: Path = Path("secrets/release-signing.pem")
    """Private key (Ed25519, PKCS 8 in PEM) that signs releases, made where there is none; relative paths start at the home."""
    public_key: Path = Path("secrets/release-signing.pub.pem")
    """Public keys (PEM) that releases may be signed by, what devices pin. Written with the signing key's own where there is
    none; to change keys, add the new one in front and leave the old one until every device has both."""
    request_timeout_s: float = Field(default=10, gt=0)
    """Longest wait for one answer of the API."""
    deadline_s: float = Field(default=60, gt=0)
    """Longest time for one call with all its retries; the job is then tried again later."""
